// SPDX-License-Identifier: BSD-2-Clause
// Network cards: xen-netback's interface, its place in a bridge.
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/sockios.h>
#include "toolstack/lib/ts.h"
#include <xen/io/xenbus.h>

#define DEFAULT_BRIDGE "xenbr0"

static int if_fail(struct ts *ts, int sock, const char *name, const char *what)
{
	ts_fail_errno(ts, "network interface %s: cannot %s", name, what);
	close(sock);
	return -1;
}

static void set_name(struct ifreq *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
}

/* Same frame size as the bridge, an address that never becomes the bridge's own, up, and into the bridge. */
static int join_bridge(struct ts *ts, const char *name, const char *bridge)
{
	static const uint8_t quiet_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r, mtu;

	if (sock < 0)
		return ts_fail_errno(ts, "network interface %s: socket", name);
	set_name(&mtu, bridge);
	if (ioctl(sock, SIOCGIFMTU, &mtu))
		return if_fail(ts, sock, bridge, "read the frame size of the bridge");
	set_name(&r, name);
	r.ifr_mtu = mtu.ifr_mtu;
	(void)ioctl(sock, SIOCSIFMTU, &r); /* a smaller MTU only costs speed */
	set_name(&r, name);
	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, quiet_mac, sizeof(quiet_mac));
	if (ioctl(sock, SIOCSIFHWADDR, &r))
		return if_fail(ts, sock, name, "set its address");
	set_name(&r, bridge);
	r.ifr_ifindex = (int)if_nametoindex(name);
	if (ioctl(sock, SIOCBRADDIF, &r) && errno != EBUSY)
		return if_fail(ts, sock, name, "join the bridge");
	set_name(&r, name);
	if (ioctl(sock, SIOCGIFFLAGS, &r))
		return if_fail(ts, sock, name, "read its flags");
	r.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &r))
		return if_fail(ts, sock, name, "go up");
	close(sock);
	return 0;
}

static int rename_if(struct ts *ts, const char *from, const char *to)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r;

	set_name(&r, from);
	memcpy(r.ifr_newname, to, strnlen(to, IFNAMSIZ - 1));
	if (sock < 0 || ioctl(sock, SIOCSIFNAME, &r))
		return if_fail(ts, sock, from, "take the name given by vifname");
	close(sock);
	return 0;
}

/* The kernel makes the interface soon after the back end is ready; nothing tells us when. */
static int wait_for_if(struct ts *ts, const char *name)
{
	for (int i = 0; i < 200; i++) {
		if (if_nametoindex(name))
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 25000000 }, NULL);
	}
	return ts_fail(ts, "network interface %s does not appear; see domain 0's kernel log", name);
}

static int check_bridge(struct ts *ts, const char *bridge)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", bridge);
	if (access(path, F_OK) == 0)
		return 0;
	return ts_fail(
		ts,
		"vif: there is no bridge %s in domain 0; make it with 'ip link add %s type bridge' "
		"and 'ip link set %s up', or name another with bridge=",
		bridge, bridge, bridge);
}

static int random_mac(struct ts *ts, uint8_t *mac)
{
	if (ts_random(mac + 3, 3))
		return ts_fail(ts, "vif: no random numbers for a card address; give mac=");
	mac[0] = 0x00;
	mac[1] = 0x16;
	mac[2] = 0x3e;
	mac[3] &= 0x7f;
	return 0;
}

int ts_vif_check(struct ts *ts, const struct ts_vif *v)
{
	return v->no_setup ? 0 : check_bridge(ts, v->bridge[0] ? v->bridge : DEFAULT_BRIDGE);
}

int ts_vif_attach(struct ts *ts, const struct ts_vif *v, uint32_t domid, unsigned int handle)
{
	const char *bridge = v->bridge[0] ? v->bridge : DEFAULT_BRIDGE;
	char mac[32], num[16], name[32], path[96];
	uint8_t m[6];

	memcpy(m, v->mac, 6);
	if ((!v->mac_given && random_mac(ts, m)) || (!v->no_setup && check_bridge(ts, bridge)) ||
	    ts_need_driver(ts, "vif", "xen-netback"))
		return -1;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	snprintf(num, sizeof(num), "%u", handle);

	const struct ts_pair back[] = {
		{ "mac", mac },
		{ "handle", num },
		{ "type", "vif" },
		{ "bridge", v->no_setup ? "" : bridge },
		{ "ip", v->ip },
		/* netback insists on it, though we do its work ourselves */
		{ "script", "" },
		{ "state", "1" },
		{ NULL, NULL },
	};
	const struct ts_pair front[] = {
		{ "mac", mac },
		{ "handle", num },
		{ "state", "1" },
		{ NULL, NULL },
	};

	if (ts_device_add(ts, "vif", handle, domid, back, front) ||
	    ts_device_wait(ts, "vif", handle, domid,
			   1U << XenbusStateInitWait | 1U << XenbusStateConnected, 10000))
		return -1;
	snprintf(name, sizeof(name), "vif%u.%u", domid, handle);
	if (wait_for_if(ts, name))
		return -1;
	if (v->ifname[0]) {
		if (rename_if(ts, name, v->ifname))
			return -1;
		snprintf(name, sizeof(name), "%s", v->ifname);
	}
	if (!v->no_setup && join_bridge(ts, name, bridge))
		return -1;
	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%u/hotplug-status", domid,
		 handle);
	if (xsc_write(ts->xs, XSC_NONE, path, "connected", 9))
		return ts_fail_errno(ts, "vif %u of domain %u: xenstore", handle, domid);
	return 0;
}
