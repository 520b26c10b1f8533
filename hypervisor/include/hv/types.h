/* SPDX-License-Identifier: BSD-2-Clause */
/* Basic types. Machine frames, pseudo-physical frames and guest addresses are distinct types. */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <hv/config.h>

typedef struct {
	uint64_t v;
} mfn_t;
typedef struct {
	uint64_t v;
} pfn_t;

static inline mfn_t mfn(uint64_t v)
{
	return (mfn_t){ v };
}
static inline pfn_t pfn(uint64_t v)
{
	return (pfn_t){ v };
}
static inline bool mfn_eq(mfn_t a, mfn_t b)
{
	return a.v == b.v;
}
static inline mfn_t mfn_add(mfn_t a, uint64_t n)
{
	return mfn(a.v + n);
}

#define INVALID_MFN_VAL	  (~0UL)
#define MFN_NONE	  ((mfn_t){ INVALID_MFN_VAL })
#define INVALID_M2P_ENTRY (~0UL)

/* A virtual address in the current guest; never dereferenced but through hv/guest_access.h. */
typedef struct {
	uint64_t va;
} guest_ptr_t;

static inline guest_ptr_t guest_ptr(uint64_t va)
{
	return (guest_ptr_t){ va };
}

typedef int64_t s_time_t; /* nanoseconds since boot */

#define ARRAY_SIZE(a)		      (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define likely(x)		      __builtin_expect(!!(x), 1)
#define unlikely(x)		      __builtin_expect(!!(x), 0)
#define BIT(n)			      (1UL << (n))
#define DIV_ROUND_UP(n, d)	      (((n) + (d)-1) / (d))
#define ROUND_UP(n, a)		      (((n) + (a)-1) & ~((__typeof__(n))(a)-1))
#define MIN(a, b)                       \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ < b_ ? a_ : b_;      \
	})
#define MAX(a, b)                       \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ > b_ ? a_ : b_;      \
	})
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define __packed	 __attribute__((packed))
#define __aligned(n)	 __attribute__((aligned(n)))
#define __init		 __attribute__((section(".init.text"), cold))
#define __initdata	 __attribute__((section(".init.data")))
#define __printf(f, a)	 __attribute__((format(printf, f, a)))
#define __noreturn	 __attribute__((noreturn))

/* Atomic helpers on plain integers; C11 memory orders spelled short. */
#define atomic_inc(p)	       ((void)__atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST))
#define atomic_dec(p)	       ((void)__atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST))
#define atomic_dec_and_test(p) (__atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST) == 0)
#define atomic_inc_return(p)   __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define atomic_xchg(p, v)      __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define cmpxchg(p, old, new)                                                          \
	({                                                                            \
		__typeof__(*(p)) o_ = (old);                                          \
		__atomic_compare_exchange_n((p), &o_, (new), false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST);                        \
		o_;                                                                   \
	})
#define smp_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define barrier() asm volatile("" ::: "memory")

/* Bit operations on arrays of unsigned long; the atomic ones return the old bit. */
static inline bool test_bit(unsigned int n, const volatile void *p)
{
	return (((const volatile uint64_t *)p)[n / 64] >> (n % 64)) & 1;
}
static inline bool test_and_set_bit(unsigned int n, volatile void *p)
{
	return (__atomic_fetch_or((volatile uint64_t *)p + n / 64, BIT(n % 64), __ATOMIC_SEQ_CST) >>
		(n % 64)) &
	       1;
}
static inline bool test_and_clear_bit(unsigned int n, volatile void *p)
{
	return (__atomic_fetch_and((volatile uint64_t *)p + n / 64, ~BIT(n % 64),
				   __ATOMIC_SEQ_CST) >>
		(n % 64)) &
	       1;
}
static inline void set_bit(unsigned int n, volatile void *p)
{
	(void)test_and_set_bit(n, p);
}
static inline void clear_bit(unsigned int n, volatile void *p)
{
	(void)test_and_clear_bit(n, p);
}

/* A set of CPUs. NR_CPUS is 64, so one word holds it. */
typedef struct {
	uint64_t bits;
} cpumask_t;

#define for_each_cpu(cpu, mask)                                                              \
	for (uint64_t m_ = (mask).bits; m_ && ((cpu) = (unsigned int)__builtin_ctzl(m_), 1); \
	     m_ &= m_ - 1)

#endif
