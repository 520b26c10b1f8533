/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticket spin locks with owner. The order in which locks nest is docs/locking.md. */
#ifndef HV_LOCK_H
#define HV_LOCK_H

#include <hv/lib.h>

typedef struct {
	uint16_t next; /* ticket for the next comer */
	uint16_t now; /* ticket being served */
	uint16_t owner; /* CPU holding it + 1, 0 when free */
} spinlock_t;

unsigned int smp_processor_id(void);

static inline uint64_t irq_save(void)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
	return flags;
}
static inline void irq_restore(uint64_t flags)
{
	if (flags & 0x200)
		asm volatile("sti" ::: "memory");
	else
		asm volatile("cli" ::: "memory");
}
static inline void irq_disable(void)
{
	asm volatile("cli" ::: "memory");
}
static inline void irq_enable(void)
{
	asm volatile("sti" ::: "memory");
}
static inline bool irqs_enabled(void)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0" : "=r"(flags));
	return flags & 0x200;
}

static inline bool spin_is_held(const spinlock_t *l)
{
	return READ_ONCE(l->owner) == smp_processor_id() + 1;
}
/* Take the lock. Must not be held by this CPU already (asserted). */
static inline void spin_lock(spinlock_t *l)
{
	uint16_t t;

	ASSERT(!spin_is_held(l));
	t = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&l->now, __ATOMIC_ACQUIRE) != t)
		asm volatile("pause");
	l->owner = (uint16_t)(smp_processor_id() + 1);
}
static inline bool spin_trylock(spinlock_t *l)
{
	uint16_t t = __atomic_load_n(&l->now, __ATOMIC_RELAXED);

	if (!__atomic_compare_exchange_n(&l->next, &t, (uint16_t)(t + 1), false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	l->owner = (uint16_t)(smp_processor_id() + 1);
	return true;
}
static inline void spin_unlock(spinlock_t *l)
{
	l->owner = 0;
	__atomic_store_n(&l->now, (uint16_t)(l->now + 1), __ATOMIC_RELEASE);
}
static inline uint64_t spin_lock_irqsave(spinlock_t *l)
{
	uint64_t flags = irq_save();

	spin_lock(l);
	return flags;
}
static inline void spin_unlock_irqrestore(spinlock_t *l, uint64_t flags)
{
	spin_unlock(l);
	irq_restore(flags);
}

/*
 * Set a bit in memory that a guest can write at the same time; the old bit. One instruction: a loop of compare and exchange
 * might be kept from ending by the guest. Bit n may lie any number of words behind p.
 */
static inline bool guest_test_and_set_bit(uint64_t n, volatile void *p)
{
	bool old;

	asm volatile("lock btsq %2, %1"
		     : "=@ccc"(old), "+m"(*(volatile uint64_t *)p)
		     : "r"(n)
		     : "memory");
	return old;
}
/* The same for one word of 32 bits. */
static inline bool guest_word_test_and_set(unsigned int bit, volatile uint32_t *word)
{
	bool old;

	asm volatile("lock btsl %2, %1" : "=@ccc"(old), "+m"(*word) : "r"(bit) : "memory");
	return old;
}
static inline bool guest_test_and_clear_bit(uint64_t n, volatile void *p)
{
	bool old;

	asm volatile("lock btrq %2, %1"
		     : "=@ccc"(old), "+m"(*(volatile uint64_t *)p)
		     : "r"(n)
		     : "memory");
	return old;
}

#endif
