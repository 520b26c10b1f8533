/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE event-channel state: ports, their states and the legal moves; linking of FIFO event words.
 *
 *            alloc_unbound              bind_interdomain (both ends)
 *   free ------------------> unbound ---------------------------------> interdomain
 *    ^ ^ \                      ^ |                                          |
 *    | |  \ bind_virq|pirq|ipi  | +--close--> free      close: this end free, the other
 *    | |   `--> virq|pirq|ipi   +----------------------- end unbound, for this domain only
 *    | +-----------'
 *    +-- close                      port 0 is reserved for ever
 *
 * Ports live in chunks found through a directory. The directory begins with the few entries that the 2-level ABI can
 * use, and is exchanged for a big one with the FIFO ABI. Chunks and directories stay until the domain is freed, so that a
 * port once valid may be looked up without a lock.
 */
#ifndef HV_EVTCHN_CORE_H
#define HV_EVTCHN_CORE_H

#include <hv/types.h>

struct domain;

enum evtchn_state {
	ECS_FREE,
	ECS_RESERVED,
	ECS_UNBOUND,
	ECS_INTERDOMAIN,
	ECS_PIRQ,
	ECS_VIRQ,
	ECS_IPI,
};

struct evtchn {
	uint16_t lock_next, lock_now; /* ticket lock of the glue: state, u; interrupts off */
	uint8_t state;
	uint8_t priority; /* FIFO queue it goes to next */
	uint8_t last_priority; /* FIFO queue it was put in last, with last_vcpu */
	uint8_t pending; /* FIFO: raised before its array page was there */
	uint16_t notify_vcpu;
	uint16_t last_vcpu;
	uint32_t port;
	union {
		uint16_t unbound_for; /* domain that may bind */
		struct {
			struct domain *dom;
			struct evtchn *chan;
		} remote;
		uint32_t pirq;
		uint32_t virq;
	} u;
};

#define EVTCHN_CHUNK_SHIFT 7 /* 128 ports of 32 bytes: a page */
#define EVTCHN_CHUNK	   (1u << EVTCHN_CHUNK_SHIFT)
#define EVTCHN_SMALL_DIR   32 /* 4096 ports */
#define EVTCHN_BIG_DIR	   1024 /* 131072 ports */

/* Embedded in struct domain. Changed under event_lock. */
struct evtchn_domain {
	struct evtchn **dir; /* small, or a big one */
	uint32_t nr_ports; /* valid: their chunk is there */
	uint32_t limit; /* ports below this may be allocated */
	uint32_t free_hint; /* no free port below */
	uint32_t active; /* neither free nor reserved */
	uint32_t close_next; /* where closing all ports goes on; 0: not under way */
	struct evtchn *small[EVTCHN_SMALL_DIR];
};
/* Embedded in struct vcpu. */
struct evtchn_vcpu {
	uint32_t poll_port;
};

/* The channel of a port, NULL when the port is not valid. */
static inline struct evtchn *evtchn_chan(const struct evtchn_domain *t, uint32_t port)
{
	struct evtchn **dir;

	if (unlikely(port >= __atomic_load_n(&t->nr_ports, __ATOMIC_ACQUIRE)))
		return NULL;
	dir = READ_ONCE(t->dir);
	return &dir[port >> EVTCHN_CHUNK_SHIFT][port & (EVTCHN_CHUNK - 1)];
}

void evtchn_table_init(struct evtchn_domain *t, uint32_t limit);
/*
 * Lowest free port for which busy() (NULL: never) is false. 0 and *out; -XEN_ENOSPC: none below the limit;
 * EVTCHN_GROW: give a chunk with evtchn_add_chunk() and ask again.
 */
#define EVTCHN_GROW 1
int evtchn_find_free(struct evtchn_domain *t, bool (*busy)(uint32_t port, void *arg), void *arg,
		     struct evtchn **out);
/* chunk: zeroed memory for EVTCHN_CHUNK channels, the table's from now on. */
void evtchn_add_chunk(struct evtchn_domain *t, struct evtchn *chunk);
/* The FIFO ABI's directory of EVTCHN_BIG_DIR zeroed entries; the small one stays for those who read it now. */
void evtchn_use_big_dir(struct evtchn_domain *t, struct evtchn **dir);

/* Moves; the caller holds the locks and has checked that they are legal (asserted). */
void evtchn_open_unbound(struct evtchn_domain *t, struct evtchn *c, uint16_t remote);
void evtchn_open_bound(struct evtchn_domain *t, struct evtchn *c, enum evtchn_state state,
		       uint32_t what);
/* lc (free, of ld) and rc (unbound, of rd) become each other's ends. */
void evtchn_connect(struct evtchn_domain *lt, struct evtchn *lc, struct domain *ld,
		    struct evtchn *rc, struct domain *rd);
/* The peer of an interdomain channel closed by domain `by`: unbound for that domain. */
void evtchn_peer_closed(struct evtchn *c, uint16_t by);
void evtchn_set_free(struct evtchn_domain *t, struct evtchn *c);
/* May a guest bind, unmask, poll it? */
static inline bool evtchn_in_use(const struct evtchn *c)
{
	return READ_ONCE(c->state) > ECS_RESERVED;
}
/* Are states, peers, counts and hints what they should be? For tests; dom_table() gives a peer's table. */
bool evtchn_table_check(const struct evtchn_domain *t, const struct domain *self);

/*
 * FIFO: append `port` behind the event word `tail`. False: the tail is not linked, the queue is empty. The guest may
 * change the word all the time; after a bounded number of tries the link counts as made (a guest that plays with
 * its own words loses its own events).
 */
bool evtchn_fifo_link(uint32_t *tail, uint32_t port);

#endif
