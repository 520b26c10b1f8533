/* SPDX-License-Identifier: BSD-2-Clause */
/* The console daemon: one struct per domain whose console ring is served. */
#ifndef PARAVANE_CONSOLED_H
#define PARAVANE_CONSOLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xengnttab.h>
#include "toolstack/lib/ts.h"
#include <xen/io/console.h>

#define CONS_BACKLOG 65536U /* bytes kept for a terminal that does not read */
#define CONS_LOG_MAX (1UL << 20) /* bytes of a log file before it becomes NAME.log.1 */
#define CONS_BURST   30U /* events of one domain per tick; a guest that rings more often waits */
#define CONS_TICK_MS 200

/* Handles that all consoles share. */
struct consoled {
	struct ts *ts;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab; /* NULL when the kernel has none */
	const char *log_dir; /* NULL: no logs */
	struct cons *list;
};

/*
 * States: WAITING (no ring in the store yet; its console directory is watched) -> SERVED -> CLOSING (domain gone,
 * a reader may still fetch the rest). BROKEN: the guest wrote nonsense into the ring; kept until the domain ends.
 */
enum cons_state { CONS_WAITING, CONS_SERVED, CONS_BROKEN, CONS_CLOSING };

struct cons {
	struct cons *next;
	struct consoled *d;
	enum cons_state state;
	uint32_t domid;
	char name[128];
	struct xencons_interface *ring;
	bool by_grant;
	evtchn_port_t port; /* ours */
	uint32_t out_cons, in_prod; /* ours too: the guest can write those in the ring */
	unsigned int events; /* in this tick */
	bool masked; /* too many: unmask at the tick */
	int master, slave; /* pty; we hold the slave so that its settings stay */
	int log;
	size_t log_size;
	int64_t close_at; /* CLOSING: ms */
	char backlog[CONS_BACKLOG];
	size_t start, len;
};

/* Take up a domain; it is put into d->list. NULL when out of memory. */
struct cons *cons_new(struct consoled *d, uint32_t domid);
/* Try to connect a WAITING console to its ring. 0 when it is served, -1 when the store says nothing yet or why not. */
int cons_attach(struct cons *c);
/* The store was restarted: tell it the terminal's name again. */
void cons_publish(struct cons *c);
/* The guest rang. */
void cons_event(struct cons *c);
/* A new tick: forget the count and go on with those that were held back. */
void cons_tick(struct cons *c);
/* Room in the guest's input ring, bytes. */
uint32_t cons_room(struct cons *c);
/* The terminal has input, or takes output again. */
void cons_terminal_in(struct cons *c);
void cons_terminal_out(struct cons *c);
/* The domain is gone: take what is left in the ring, let go of it. */
void cons_detach(struct cons *c, int64_t now);
/* CLOSING and nothing is left to read, or nobody did. */
bool cons_drained(struct cons *c, int64_t now);
/* Free all. */
void cons_free(struct cons *c);

#endif
