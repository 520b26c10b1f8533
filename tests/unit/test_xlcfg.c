// SPDX-License-Identifier: BSD-2-Clause
// Domain configuration: the text's grammar, disks, cards, refusals, hostile input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/lib/xlcfg.h"
#include "tests/unit/unit.h"

static struct xlcfg c;
static struct ts_config d;
static char err[XLCFG_ERR];

static int parse(const char *text)
{
	memset(&c, 0, sizeof(c));
	return xlcfg_parse(&c, "test.cfg", text, strlen(text));
}

static int config(const char *text)
{
	int rc = parse(text);

	if (!rc)
		rc = ts_config_from(&c, &d);
	memcpy(err, c.err, sizeof(err));
	xlcfg_free(&c);
	return rc;
}

#define MIN "name='g'\nkernel='/k'\nmemory=64\n"

static void refused(const char *text, const char *word)
{
	ck_assert_msg(config(text) == -1, "accepted: %s", text);
	ck_assert_msg(strstr(err, word) != NULL, "%s", err);
}

START_TEST(grammar)
{
	ck_assert_int_eq(
		parse("# c\n a = \"x\\ty\\x41\" # c\nb=12;c='q'\nl = [ 'a', # one\n 'b',\n]\n"
		      "a += 'z'\nl += [ \"c\" ]"),
		0);
	ck_assert_str_eq(xlcfg_find(&c, "a")->item[0], "x\tyAz");
	ck_assert_str_eq(xlcfg_find(&c, "b")->item[0], "12");
	ck_assert_str_eq(xlcfg_find(&c, "c")->item[0], "q");
	ck_assert_uint_eq(xlcfg_find(&c, "l")->nr, 3);
	ck_assert_str_eq(xlcfg_find(&c, "l")->item[2], "c");
	ck_assert_ptr_null(xlcfg_find(&c, "none"));
	xlcfg_free(&c);
	ck_assert_int_eq(parse("a=1\na=2"), 0);
	ck_assert_uint_eq(c.nr, 1);
	ck_assert_str_eq(xlcfg_find(&c, "a")->item[0], "2");
	xlcfg_free(&c);
}
END_TEST

START_TEST(grammar_refusals)
{
	static const char *const bad[] = { "a",		"a =",	      "= 3",	  "a = 'x",
					   "a = [ 'x'", "a=[[1]]",    "a=[1 2]",  "a='x' 'y'",
					   "a=x",	"a='\\q'",    "a='\\x0'", "a=-1",
					   "a='\\x00'", "a=1\na+=[2]" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(parse(bad[i]) == -1, "accepted: %s", bad[i]);
		ck_assert_msg(strstr(c.err, "test.cfg:") == c.err, "%s", c.err);
		xlcfg_free(&c);
	}
	ck_assert_int_eq(parse("a=1\n\nb=?"), -1);
	ck_assert_ptr_nonnull(strstr(c.err, "test.cfg:3:"));
	xlcfg_free(&c);
}
END_TEST

START_TEST(whole_file)
{
	ck_assert_msg(
		config(MIN "ramdisk='/r'\nroot='/dev/xvda ro'\nextra='quiet'\nmaxmem=128\nvcpus=2\n"
			   "maxvcpus=4\non_crash='preserve'\non_reboot='rename-restart'\n"
			   "uuid='00112233-4455-6677-8899-aabbccddeeff'\ncpu_weight=512\n"
			   "tsc_mode='native'\ntype='pv'\n") == 0,
		"%s", err);
	ck_assert_str_eq(d.name, "g");
	ck_assert_str_eq(d.cmdline, "root=/dev/xvda ro quiet");
	ck_assert_uint_eq(d.memory_kb, 65536);
	ck_assert_uint_eq(d.maxmem_kb, 131072);
	ck_assert_uint_eq(d.vcpus, 2);
	ck_assert_uint_eq(d.maxvcpus, 4);
	ck_assert_int_eq(d.on_poweroff, TS_ACT_DESTROY);
	ck_assert_int_eq(d.on_reboot, TS_ACT_RENAME_RESTART);
	ck_assert_int_eq(d.on_crash, TS_ACT_PRESERVE);
	ck_assert_uint_eq(d.uuid[15], 0xff);
	ck_assert_uint_eq(d.tsc_mode, 2);
	ck_assert_ptr_null(d.warnings);
	ts_config_free(&d);
	ck_assert_int_eq(config(MIN "cmdline='a b'\nextra='c'\nmemroy=3\n"), 0);
	ck_assert_str_eq(d.cmdline, "a b");
	ck_assert_ptr_nonnull(strstr(d.warnings, "memroy has no effect"));
	ts_config_free(&d);
}
END_TEST

START_TEST(config_refusals)
{
	char longline[1200];

	refused("kernel='/k'\nmemory=64", "name is missing");
	refused("name='g'\nmemory=64", "kernel is missing");
	refused("name='g'\nkernel='/k'", "memory is missing");
	refused(MIN "memory='lots'", "number");
	refused(MIN "memory=99999999999999999999", "number");
	refused(MIN "maxmem=32", "maxmem");
	refused(MIN "vcpus=0", "vcpus");
	refused(MIN "vcpus=4\nmaxvcpus=2", "maxvcpus");
	refused(MIN "type='hvm'", "pv");
	refused(MIN "builder='hvm'", "builder");
	refused(MIN "on_crash='explode'", "destroy");
	refused(MIN "uuid='123'", "32 hexadecimal");
	refused(MIN "pci=['00:01.0']", "not supported");
	refused(MIN "name='7'", "digits");
	refused(MIN "name='a/b'", "slashes");
	refused(MIN "disk='x'", "list");
	refused(MIN "disk=['phy:/a,xvda,w','phy:/b,xvda,w']", "twice");
	memset(longline, 'x', sizeof(longline));
	memcpy(longline, MIN "extra='", strlen(MIN "extra='"));
	strcpy(longline + sizeof(longline) - 3, "'");
	refused(longline, "1023");
}
END_TEST

START_TEST(disk_forms)
{
	static const struct {
		const char *spec, *target, *vdev;
		unsigned int devid;
		bool ro;
	} all[] = {
		{ "phy:/dev/vg/a,xvda,w", "/dev/vg/a", "xvda", 51712, false },
		{ "file:/x.img,xvda2,r", "/x.img", "xvda2", 51714, true },
		{ "/dev/sdb,raw,xvdb,rw", "/dev/sdb", "xvdb", 51728, false },
		{ "/dev/sdb,,sda", "/dev/sdb", "sda", 2048, false },
		{ "format=raw, vdev=hdc, access=ro, target=/a,b.img", "/a,b.img", "hdc", 5632,
		  true },
		{ "/x.iso,raw,xvdc:cdrom,r", "/x.iso", "xvdc", 51744, true },
		{ "vdev=xvdq,target=/x", "/x", "xvdq", 268439552, false },
		{ "tap:aio:/y,xvda,w", "/y", "xvda", 51712, false },
	};
	struct ts_disk k;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		ck_assert_msg(ts_disk_parse(&k, all[i].spec, err) == 0, "%s", err);
		ck_assert_str_eq(k.target, all[i].target);
		ck_assert_str_eq(k.vdev, all[i].vdev);
		ck_assert_uint_eq(k.devid, all[i].devid);
		ck_assert_int_eq(k.readonly, all[i].ro);
		ts_disk_free(&k);
	}
}
END_TEST

START_TEST(disk_refusals)
{
	static const char *const bad[] = {
		"",
		"/a",
		"/a,qcow2,xvda",
		"/a,raw,nvme0",
		"/a,raw,xvda,x",
		"/a,raw,xvda,w,more",
		"phy:/a,xvda,w,script=x",
		"format=vhd,vdev=xvda,target=/a",
		",raw,xvda,w",
		"/a,raw,xvda0",
		"/a,raw,xvda999",
		"/a,raw,xvdaaaaaaaaaaaaaaaaa",
		"backend=3,xvda",
	};
	struct ts_disk k;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(ts_disk_parse(&k, bad[i], err) == -1, "accepted: %s", bad[i]);
		ck_assert_ptr_nonnull(strstr(err, "disk \""));
	}
}
END_TEST

START_TEST(vif_forms)
{
	struct ts_vif v;

	ck_assert_int_eq(ts_vif_parse(&v, "mac=00:16:3e:01:02:0f, bridge=xenbr0,ip=10.0.0.2", err),
			 0);
	ck_assert(v.mac_given && v.mac[5] == 0x0f);
	ck_assert_str_eq(v.bridge, "xenbr0");
	ck_assert_str_eq(v.ip, "10.0.0.2");
	ck_assert_int_eq(ts_vif_parse(&v, "", err), 0);
	ck_assert(!v.mac_given && !v.bridge[0]);
	ck_assert_int_eq(ts_vif_parse(&v, "script=none", err), 0);
	ck_assert(v.no_setup);
	ck_assert_int_eq(ts_vif_parse(&v, "mac=01:16:3e:01:02:0f", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "mac=00:16:3e:01:02", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "mac=00:16:3e:01:02:0g", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "bridge=averyveryverylongname", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "script=/etc/x", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "colour=red", err), -1);
	ck_assert_int_eq(ts_vif_parse(&v, "xenbr0", err), -1);
}
END_TEST

START_TEST(random_text)
{
	static const char *const words[] = { "name", "kernel", "disk", "vif",  "memory", "=",
					     "+=",   "[",      "]",    "'",    "\"",	 ",",
					     "\n",   "#",      ";",    "\\",   "12",	 "'g'",
					     "64",   "phy:",   "/a",   "xvda", "mac=",	 "\\x",
					     "\xff", "vcpus",  "xvd",  "uuid", "type",	 "'pv'",
					     " ",    "target=" };
	const char *seed = getenv("SEED");
	unsigned int s = seed ? (unsigned int)atoi(seed) : 815;
	char text[512];

	printf("random_text: SEED=%u\n", s);
	srandom(s);
	for (int round = 0; round < 30000; round++) {
		struct ts_disk k;
		struct ts_vif v;
		size_t n = 0;

		strcpy(text, round & 1 ? MIN : "");
		n = strlen(text);
		for (long i = random() % 24; i >= 0; i--) {
			const char *w =
				words[(size_t)random() % (sizeof(words) / sizeof(words[0]))];

			memcpy(text + n, w, strlen(w) + 1);
			n += strlen(w);
		}
		if (config(text) == 0)
			ts_config_free(&d);
		if (ts_disk_parse(&k, text, err) == 0)
			ts_disk_free(&k);
		ts_vif_parse(&v, text, err);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { grammar,	   grammar_refusals, whole_file, config_refusals,
				       disk_forms, disk_refusals,    vif_forms,	 random_text };
	Suite *s = suite_create("xlcfg");
	TCase *t = tcase_create("xlcfg");

	tcase_set_timeout(t, 30);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return unit_run(s);
}
