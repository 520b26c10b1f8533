// SPDX-License-Identifier: BSD-2-Clause
/* Machine memory: the buddy allocator under its lock, scrubbing, and small objects. */
#include <hv/heap.h>
#include <hv/buddy.h>
#include <hv/lock.h>
#include <hv/rangeset.h>
#include <hv/smp.h>

#define FRAMES_4G	(1u << 20)
#define MAX_ALLOC_BYTES (1UL << 20)

static spinlock_t heap_lock;
static struct buddy buddy; /* heap_lock */
static uint64_t total_pages; /* heap_lock */
static uint64_t claimed_pages; /* heap_lock */
static uint64_t dirty_pages; /* heap_lock: free without FC_CLEAN */
static uint32_t scrub_at; /* heap_lock: where the search for those goes on */

void heap_init(void)
{
	ASSERT(max_frame < FRAME_NIL);
	buddy_init(&buddy, frame_of(mfn(0)), (uint32_t)max_frame, FRAMES_4G);
	rangeset_alloc = hv_alloc;
	rangeset_free = hv_free;
}

void heap_add(mfn_t start, uint64_t nr)
{
	/* Frame 0 stays unused: 0 stands for "no frame" in several ABI structures. */
	if (start.v == 0 && nr) {
		start.v++;
		nr--;
	}
	if (start.v >= max_frame)
		return;
	nr = MIN(nr, max_frame - start.v);
	for (uint64_t i = 0; i < nr; i++) {
		struct frame *f = frame_of(mfn_add(start, i));

		f->owner = DOMID_INVALID;
		f->count = 0;
		f->type = 0;
		f->spare = 0;
	}
	spin_lock(&heap_lock);
	buddy_free_range(&buddy, (uint32_t)start.v, (uint32_t)nr);
	total_pages += nr;
	dirty_pages += nr;
	spin_unlock(&heap_lock);
}

/* One past the highest frame that the flags allow. */
static uint32_t alloc_end(unsigned int flags)
{
	unsigned int bits = (flags >> 8) & 0xff;
	uint32_t end = flags & HEAP_BELOW_4G ? FRAMES_4G : FRAME_NIL;

	if (bits && bits < PAGE_SHIFT)
		return 0;
	if (bits && bits < 32 + PAGE_SHIFT)
		end = MIN(end, (uint32_t)(BIT(bits) >> PAGE_SHIFT));
	return end;
}

/*
 * The last owner's translations of these frames may still be in some TLB. Each freed frame keeps the TLB clock of its
 * release where the type count was; CPUs that have flushed since are left alone.
 */
static cpumask_t stale_cpus(const struct frame *f)
{
	uint32_t stamp = (uint32_t)(f->type >> FT_AUX_SHIFT);

	return stamp ? tlb_filter(cpu_online, stamp) : (cpumask_t){ 0 };
}

static void flush_stale(struct frame *f, unsigned int order)
{
	cpumask_t set = { 0 };

	for (uint64_t i = 0; i < 1UL << order; i++) {
		set.bits |= stale_cpus(&f[i]).bits;
		f[i].type = 0;
		f[i].owner = DOMID_INVALID;
		f[i].next = FRAME_NIL;
		f[i].prev = FRAME_NIL;
	}
	if (set.bits)
		tlb_flush_mask(set);
}

static void clear_bytes(void *p, uint64_t bytes)
{
	uint64_t words = bytes / 8;

	asm volatile("rep stosq" : "+D"(p), "+c"(words) : "a"(0UL) : "memory");
}

/* Frames just taken: as many as are not clean are cleared, unless that does not matter; then they are in use. */
static void clear_dirty(struct frame *f, unsigned int order, bool scrub)
{
	for (uint64_t i = 0; i < 1UL << order; i++) {
		if (scrub && !(f[i].count & FC_CLEAN))
			clear_bytes(mfn_to_virt(frame_mfn(&f[i])), PAGE_SIZE);
		f[i].count = 0;
	}
}

static uint64_t count_dirty(const struct frame *f, unsigned int order)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < 1UL << order; i++)
		n += !(f[i].count & FC_CLEAN);
	return n;
}

mfn_t heap_alloc(unsigned int order, unsigned int flags)
{
	uint32_t f = FRAME_NIL;

	if (order > BUDDY_MAX_ORDER)
		return MFN_NONE;
	spin_lock(&heap_lock);
	if ((flags & HEAP_CLAIMED) ||
	    buddy.nr_free[0] + buddy.nr_free[1] >= claimed_pages + (1UL << order))
		f = buddy_alloc(&buddy, order, alloc_end(flags));
	if (f != FRAME_NIL)
		dirty_pages -= count_dirty(frame_of(mfn(f)), order);
	spin_unlock(&heap_lock);
	if (f == FRAME_NIL)
		return MFN_NONE;

	flush_stale(frame_of(mfn(f)), order);
	clear_dirty(frame_of(mfn(f)), order, !(flags & HEAP_NO_SCRUB));
	return mfn(f);
}

void heap_free(mfn_t start, unsigned int order)
{
	ASSERT(start.v && start.v + (1UL << order) <= max_frame);
	for (uint64_t i = 0; i < 1UL << order; i++) {
		struct frame *f = frame_of(mfn_add(start, i));

		ASSERT(!(f->count & (FC_COUNT | FC_ALLOCATED)));
		f->count = 0;
		f->owner = DOMID_INVALID;
	}
	spin_lock(&heap_lock);
	buddy_free(&buddy, (uint32_t)start.v, order);
	dirty_pages += 1UL << order;
	spin_unlock(&heap_lock);
}

/* ---- clearing ahead of time */
#define SCRUB_LOOK 256 /* frames looked at in one step */

/* Read before it is written: most memory was never used, and a host below may have to provide what is written. */
static bool is_zero(const uint64_t *p)
{
	for (const uint64_t *end = p + PAGE_SIZE / 8; p < end; p += 8)
		if (p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7])
			return false;
	return true;
}

bool heap_scrub(void)
{
	cpumask_t stale = { 0 };
	uint32_t nr;

	if (!READ_ONCE(dirty_pages) || !spin_trylock(&heap_lock))
		return false;
	nr = buddy_find_dirty(&buddy, &scrub_at, SCRUB_LOOK);
	if (nr != FRAME_NIL) {
		struct frame *f = frame_of(mfn(nr));
		void *page = mfn_to_virt(mfn(nr));

		/* While its last owner may still write to it through some TLB, clearing it is no use: next time. */
		stale = stale_cpus(f);
		if (stale.bits) {
			scrub_at = nr;
		} else {
			if (!is_zero(page))
				clear_bytes(page, PAGE_SIZE);
			f->type = 0;
			f->count = FC_CLEAN;
			dirty_pages--;
		}
	}
	if (scrub_at >= buddy.limit)
		scrub_at = 0;
	spin_unlock(&heap_lock);
	if (stale.bits)
		tlb_flush_mask(stale);
	return true;
}

uint64_t heap_dirty_pages(void)
{
	return READ_ONCE(dirty_pages);
}

uint64_t heap_free_pages(void)
{
	return READ_ONCE(buddy.nr_free[0]) + READ_ONCE(buddy.nr_free[1]);
}

uint64_t heap_free_low_pages(void)
{
	return READ_ONCE(buddy.nr_free[0]);
}

uint64_t heap_total_pages(void)
{
	return READ_ONCE(total_pages);
}

int heap_claim(int64_t n)
{
	int rc = 0;

	spin_lock(&heap_lock);
	if (n > 0 && claimed_pages + (uint64_t)n > buddy.nr_free[0] + buddy.nr_free[1])
		rc = -XEN_ENOMEM;
	else
		claimed_pages += (uint64_t)n;
	spin_unlock(&heap_lock);
	return rc;
}

uint64_t heap_claimed_pages(void)
{
	return READ_ONCE(claimed_pages);
}

void *hv_alloc_pages(unsigned int order)
{
	mfn_t m = heap_alloc(order, HEAP_CLAIMED);

	return mfn_eq(m, MFN_NONE) ? NULL : mfn_to_virt(m);
}

void hv_free_pages(void *p, unsigned int order)
{
	if (p)
		heap_free(virt_to_mfn(p), order);
}

/*
 * Small objects. A page of them begins with its header, so that an object is never page-aligned; bigger ones are whole
 * pages, whose order is kept in the first frame's `next` (free for that: such frames have no owner).
 *
 *   page: | struct slab | object 0 | object 1 | ...        allocated objects have their bit set
 */
#define SLAB_MAGIC 0x51ab

struct slab {
	struct slab *next, *prev; /* pages of the class with room */
	uint16_t magic, class, used, room;
	uint64_t bits[4];
	uint64_t spare;
};

static const uint16_t class_size[] = { 16,  32,	 48,  64,  96,	128,  192,  256,
				       320, 400, 496, 576, 800, 1008, 1344, 2016 };
static spinlock_t slab_lock; /* partial lists and the headers */
static struct slab *partial[ARRAY_SIZE(class_size)];

static void slab_link(struct slab *s)
{
	s->prev = NULL;
	s->next = partial[s->class];
	if (s->next)
		s->next->prev = s;
	partial[s->class] = s;
}

static void slab_unlink(struct slab *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		partial[s->class] = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

/* An object of a page that has room; the page leaves the list when it is full. */
static void *slab_take(struct slab *s)
{
	unsigned int w = 0, i;

	while (s->bits[w] == ~0UL)
		w++;
	i = w * 64 + (unsigned int)__builtin_ctzl(~s->bits[w]);
	ASSERT(i < s->room);
	s->bits[w] |= BIT(i % 64);
	if (++s->used == s->room)
		slab_unlink(s);
	return (char *)(s + 1) + i * class_size[s->class];
}

static struct slab *slab_new(unsigned int class)
{
	struct slab *s = hv_alloc_pages(0);

	if (!s)
		return NULL;
	s->magic = SLAB_MAGIC;
	s->class = (uint16_t) class;
	s->room = (uint16_t)((PAGE_SIZE - sizeof(*s)) / class_size[class]);
	return s;
}

static void *alloc_big(size_t bytes)
{
	unsigned int order = 0;
	void *p;

	if (bytes > MAX_ALLOC_BYTES)
		return NULL;
	while ((PAGE_SIZE << order) < bytes)
		order++;
	p = hv_alloc_pages(order);
	if (p)
		frame_of(virt_to_mfn(p))->next = order;
	return p;
}

void *hv_alloc(size_t bytes)
{
	unsigned int class = 0;
	struct slab *s;
	void *p;

	_Static_assert(sizeof(struct slab) % 16 == 0, "objects are aligned to 16 bytes");
	if (bytes > class_size[ARRAY_SIZE(class_size) - 1])
		return alloc_big(bytes);
	while (class_size[class] < bytes)
		class ++;

	spin_lock(&slab_lock);
	s = partial[class];
	if (!s) {
		spin_unlock(&slab_lock);
		s = slab_new(class);
		if (!s)
			return NULL;
		spin_lock(&slab_lock);
		slab_link(s);
	}
	p = slab_take(s);
	spin_unlock(&slab_lock);
	clear_bytes(p, class_size[class]);
	return p;
}

void hv_free(void *p)
{
	struct slab *s = (struct slab *)((uint64_t)p & PAGE_MASK);
	unsigned int i;

	if (!p)
		return;
	if ((void *)s == p) {
		struct frame *f = frame_of(virt_to_mfn(p));
		unsigned int order = f->next;

		ASSERT(order <= BUDDY_MAX_ORDER);
		f->next =
			FRAME_NIL; /* a second free of the same object trips the assertion above */
		hv_free_pages(p, order);
		return;
	}
	spin_lock(&slab_lock);
	ASSERT(s->magic == SLAB_MAGIC);
	i = (unsigned int)((char *)p - (char *)(s + 1)) / class_size[s->class];
	ASSERT(i < s->room && (s->bits[i / 64] & BIT(i % 64)));
	s->bits[i / 64] &= ~BIT(i % 64);
	if (s->used-- == s->room)
		slab_link(s);
	if (s->used == 0)
		slab_unlink(s);
	else
		s = NULL;
	spin_unlock(&slab_lock);
	if (s) {
		s->magic = 0;
		hv_free_pages(s, 0);
	}
}

void heap_dump(void)
{
	log_info(
		"Heap: %lu of %lu pages free (%lu below 4 GiB, %lu not cleared yet), %lu claimed\n",
		heap_free_pages(), heap_total_pages(), heap_free_low_pages(), heap_dirty_pages(),
		heap_claimed_pages());
	for (unsigned int i = 0; i < ARRAY_SIZE(class_size); i++) {
		unsigned int pages = 0, used = 0;

		spin_lock(&slab_lock);
		for (struct slab *s = partial[i]; s; s = s->next) {
			pages++;
			used += s->used;
		}
		spin_unlock(&slab_lock);
		if (pages)
			log_info("  objects of %u bytes: %u used in %u pages with room\n",
				 class_size[i], used, pages);
	}
}
