// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels, FIFO ABI: an event word per port in pages of the guest, and per vcpu a control block with 16 queues.
 *
 *   control block: ready bits | head[0] ... head[15]          array page: word, word, word, ...
 *                                  |                                        ^
 *                                  +--> port 5 --link--> port 9 --link--> 0 +-- P M L B ... next port
 *
 * The guest takes from the heads, we append at the tails; a word that is not LINKED is in no queue. The tails are ours and
 * hold what we linked last, whatever the guest has made of it since.
 */
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/frame.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/softirq.h>

#define WORDS_PER_PAGE	((uint32_t)(PAGE_SIZE / sizeof(event_word_t)))
#define MAX_ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

struct fifo_vcpu {
	spinlock_t
		lock; /* queues; interrupts off, inside a channel's lock; two: lower address first */
	evtchn_fifo_control_block_t
		*block; /* guest's, through the direct map; NULL: not registered */
	struct frame *frame; /* it is in: a reference and a writable type reference are held */
	uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];
};

struct fifo_domain {
	uint32_t nr_pages; /* of the array */
	event_word_t *page[MAX_ARRAY_PAGES];
	struct frame *frame[MAX_ARRAY_PAGES];
};

/* The guest's word of a port; NULL when its page was not given yet. */
static event_word_t *word_of(const struct domain *d, uint32_t port)
{
	const struct fifo_domain *f = d->fifo;
	uint32_t page = port / WORDS_PER_PAGE;

	if (unlikely(page >= __atomic_load_n(&f->nr_pages, __ATOMIC_ACQUIRE)))
		return NULL;
	return f->page[page] + port % WORDS_PER_PAGE;
}

static bool word_test(const event_word_t *w, unsigned int bit)
{
	return (READ_ONCE(*w) >> bit) & 1;
}

static void word_clear(event_word_t *w, unsigned int bit)
{
	__atomic_and_fetch(w, ~(1u << bit), __ATOMIC_SEQ_CST);
}

/* ---- raising */
static void lock_queues(struct fifo_vcpu *a, struct fifo_vcpu *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_queues(struct fifo_vcpu *a, struct fifo_vcpu *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* Append c to its queue of v. Locks held. True when the vcpu is to be told: the queue was empty. */
static bool append(struct domain *d, struct vcpu *v, struct evtchn *c, struct fifo_vcpu *old)
{
	struct fifo_vcpu *fv = v->fifo;
	unsigned int q = c->priority;
	event_word_t *tail;
	bool linked = false;

	/* It left the queue it was in last; if it is still that queue's tail, the queue has none. */
	if (old->tail[c->last_priority] == c->port)
		old->tail[c->last_priority] = 0;
	c->last_vcpu = (uint16_t)v->id;
	c->last_priority = (uint8_t)q;

	tail = fv->tail[q] ? word_of(d, fv->tail[q]) : NULL;
	if (tail)
		linked = evtchn_fifo_link(tail, c->port);
	if (!linked)
		WRITE_ONCE(fv->block->head[q], c->port);
	fv->tail[q] = c->port;
	return !linked && !guest_word_test_and_set(q, &fv->block->ready);
}

/* Put a pending, unmasked port into its queue unless it is in one. Its own link must be nothing before others see it. */
static void link_port(struct domain *d, struct vcpu *v, struct evtchn *c, event_word_t *word)
{
	struct vcpu *last;
	struct fifo_vcpu *old;
	bool tell = false;
	uint64_t flags;

	if (word_test(word, EVTCHN_FIFO_MASKED) || word_test(word, EVTCHN_FIFO_LINKED))
		return;
	if (!v || !v->fifo)
		return;
	flags = irq_save();
	for (;;) {
		last = d->vcpu[READ_ONCE(c->last_vcpu)];
		old = last && last->fifo ? last->fifo : v->fifo;
		lock_queues(old, v->fifo);
		if (last == d->vcpu[c->last_vcpu])
			break;
		unlock_queues(old, v->fifo);
	}
	/* No control block: the guest must not unmask before it gave one; the event is dropped. */
	if (v->fifo->block && !guest_word_test_and_set(EVTCHN_FIFO_LINKED, word))
		tell = append(d, v, c, old);
	unlock_queues(old, v->fifo);
	irq_restore(flags);
	if (tell)
		vcpu_mark_events_pending(v);
}

void fifo_set_pending(struct domain *d, struct vcpu *v, struct evtchn *c)
{
	event_word_t *word = word_of(d, c->port);
	bool was;

	if (unlikely(!word)) {
		c->pending = 1;
		return;
	}
	was = guest_word_test_and_set(EVTCHN_FIFO_PENDING, word);
	link_port(d, v, c, word);
	if (!was && unlikely(READ_ONCE(d->poll_mask)))
		evtchn_wake_pollers(d, c->port);
}

void fifo_clear_pending(struct domain *d, struct evtchn *c)
{
	event_word_t *word = word_of(d, c->port);

	/* It stays linked: only the guest takes words out of queues. */
	if (word)
		word_clear(word, EVTCHN_FIFO_PENDING);
}

void fifo_unmask(struct domain *d, struct vcpu *v, struct evtchn *c)
{
	event_word_t *word = word_of(d, c->port);

	if (!word)
		return;
	word_clear(word, EVTCHN_FIFO_MASKED);
	if (word_test(word, EVTCHN_FIFO_PENDING))
		link_port(d, v, c, word);
}

bool fifo_is_pending(const struct domain *d, uint32_t port)
{
	const event_word_t *word = word_of(d, port);

	return word && word_test(word, EVTCHN_FIFO_PENDING);
}

bool fifo_is_masked(const struct domain *d, uint32_t port)
{
	const event_word_t *word = word_of(d, port);

	return !word || word_test(word, EVTCHN_FIFO_MASKED);
}

bool fifo_is_busy(const struct domain *d, uint32_t port)
{
	const event_word_t *word = word_of(d, port);

	return word && word_test(word, EVTCHN_FIFO_LINKED);
}

/* ---- setting up */
/* Take the guest's frame for words that we write. NULL: not its own, or in use as something else. */
static struct frame *take_frame(struct domain *d, uint64_t gfn)
{
	struct frame *f;

	if (!mfn_valid(mfn(gfn)))
		return NULL;
	f = frame_of(mfn(gfn));
	return frame_get_and_type(f, d, FT_WRITABLE) ? f : NULL;
}

static long give_block(struct vcpu *v, uint64_t gfn, uint32_t offset)
{
	evtchn_fifo_control_block_t *block;
	struct frame *f;
	uint64_t flags;

	if (v->fifo->block)
		return -XEN_EINVAL;
	f = take_frame(v->domain, gfn);
	if (!f)
		return -XEN_EINVAL;
	block = (evtchn_fifo_control_block_t *)((char *)mfn_to_virt(frame_mfn(f)) + offset);
	flags = spin_lock_irqsave(&v->fifo->lock);
	v->fifo->frame = f;
	v->fifo->block = block;
	spin_unlock_irqrestore(&v->fifo->lock, flags);
	return 0;
}

/* Memory for the FIFO ABI of d, not in use yet. vcpus' parts stay when something fails: fifo_destroy() has them. */
static long setup(struct domain *d, struct fifo_domain **out, struct evtchn ***dir)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		if (!v->fifo)
			v->fifo = hv_alloc(sizeof(*v->fifo));
		if (!v->fifo)
			return -XEN_ENOMEM;
	}
	*dir = NULL;
	if (d->evtchn.dir == d->evtchn.small) {
		*dir = hv_alloc(EVTCHN_BIG_DIR * sizeof(**dir));
		if (!*dir)
			return -XEN_ENOMEM;
	}
	*out = hv_alloc(sizeof(**out));
	if (!*out) {
		hv_free(*dir);
		return -XEN_ENOMEM;
	}
	return 0;
}

/* The 2-level bits of shared_info become pending flags: raised again when the array page comes. */
static void take_over(struct domain *d)
{
	for (uint32_t port = 1; port < MIN(d->evtchn.nr_ports, (uint32_t)EVTCHN_2L_NR_CHANNELS);
	     port++) {
		struct evtchn *c = evtchn_chan(&d->evtchn, port);

		if (test_bit(port, d->shared_info->evtchn_pending))
			c->pending = 1;
		c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	}
}

/* First control block of d: change to the FIFO ABI. event_lock held. */
static long change_abi(struct vcpu *v, uint64_t gfn, uint32_t offset)
{
	struct domain *d = v->domain;
	struct fifo_domain *f;
	struct evtchn **dir;
	long rc = setup(d, &f, &dir);

	if (rc)
		return rc;
	rc = give_block(v, gfn, offset);
	if (rc) {
		hv_free(f);
		hv_free(dir);
		return rc;
	}
	if (dir)
		evtchn_use_big_dir(&d->evtchn, dir);
	d->evtchn.limit = MIN(d->max_evtchn_port + 1, (uint32_t)EVTCHN_FIFO_NR_CHANNELS);
	__atomic_store_n(&d->fifo, f, __ATOMIC_SEQ_CST);
	take_over(d);
	return 0;
}

long hc_evtchn_init_control(evtchn_init_control_t *ic)
{
	struct domain *d = current->domain;
	struct vcpu *v = domain_vcpu(d, ic->vcpu);
	long rc;

	ic->link_bits = EVTCHN_FIFO_LINK_BITS;
	if (!v)
		return -XEN_ENOENT;
	if (ic->offset > PAGE_SIZE - sizeof(evtchn_fifo_control_block_t) || (ic->offset & 7))
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	if (!d->fifo)
		rc = change_abi(v, ic->control_gfn, ic->offset);
	else if (!v->fifo)
		rc = (v->fifo = hv_alloc(sizeof(*v->fifo))) != NULL
			     ? give_block(v, ic->control_gfn, ic->offset)
			     : -XEN_ENOMEM;
	else
		rc = give_block(v, ic->control_gfn, ic->offset);
	spin_unlock(&d->event_lock);
	return rc;
}

static long add_page(struct domain *d, uint64_t gfn)
{
	struct fifo_domain *f = d->fifo;
	uint32_t first = f->nr_pages * WORDS_PER_PAGE;
	struct frame *frame;

	if (f->nr_pages == MAX_ARRAY_PAGES)
		return -XEN_ENOSPC;
	frame = take_frame(d, gfn);
	if (!frame)
		return -XEN_EINVAL;
	f->frame[f->nr_pages] = frame;
	f->page[f->nr_pages] = mfn_to_virt(frame_mfn(frame));
	__atomic_store_n(&f->nr_pages, f->nr_pages + 1, __ATOMIC_SEQ_CST);

	for (uint32_t port = first; port < first + WORDS_PER_PAGE; port++) {
		struct evtchn *c = evtchn_chan(&d->evtchn, port);

		if (!c)
			break;
		if (c->pending && evtchn_in_use(c)) {
			c->pending = 0;
			evtchn_raise(d, c);
		}
	}
	return 0;
}

long hc_evtchn_expand_array(evtchn_expand_array_t *ea)
{
	struct domain *d = current->domain;
	long rc;

	spin_lock(&d->event_lock);
	rc = d->fifo ? add_page(d, ea->array_gfn) : -XEN_EOPNOTSUPP;
	spin_unlock(&d->event_lock);
	return rc;
}

long hc_evtchn_set_priority(evtchn_set_priority_t *sp)
{
	struct domain *d = current->domain;
	struct evtchn *c = evtchn_chan(&d->evtchn, sp->port);
	long rc = 0;

	if (!c)
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	if (!d->fifo)
		rc = -XEN_ENOSYS;
	else if (sp->priority > EVTCHN_FIFO_PRIORITY_MIN)
		rc = -XEN_EINVAL;
	else
		WRITE_ONCE(c->priority, (uint8_t)sp->priority);
	spin_unlock(&d->event_lock);
	return rc;
}

long fifo_destroy(struct domain *d)
{
	struct fifo_domain *f = d->fifo;
	struct vcpu *v;

	/* No port is open: nobody raises events, and those who look at a port see it free first. */
	while (f && f->nr_pages) {
		__atomic_store_n(&f->nr_pages, f->nr_pages - 1, __ATOMIC_SEQ_CST);
		frame_put_and_type(f->frame[f->nr_pages]);
		if (preempt_needed())
			return -XEN_ERESTART;
	}
	d->fifo = NULL;
	d->evtchn.limit = MIN(d->max_evtchn_port + 1, (uint32_t)EVTCHN_2L_NR_CHANNELS);
	d->evtchn.free_hint = 0;
	for_each_vcpu(d, v) {
		if (!v->fifo)
			continue;
		if (v->fifo->frame)
			frame_put_and_type(v->fifo->frame);
		hv_free(v->fifo);
		v->fifo = NULL;
	}
	hv_free(f);
	return 0;
}
