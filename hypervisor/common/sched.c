// SPDX-License-Identifier: BSD-2-Clause
/*
 * Scheduling: run queues under locks, waking, sleeping, pausing, moving between CPUs.
 *
 * A vcpu that is not idle is in one of these, all under the lock of its `processor`:
 *   current    sched_cpus[processor].curr is it
 *   waiting    sched.queued: in the queue of processor
 *   off        neither; not runnable, or on its way between two CPUs (then vcpu_wake() is about to be called)
 *
 * is_running outlives `current` until context_saved(): the old CPU still writes the vcpu's registers. Meanwhile the vcpu may
 * wait in the old CPU's queue only; no other CPU takes it from there.
 */
#include <hv/sched.h>
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/time.h>

#define BALANCE_PERIOD 30000000 /* ns */

struct sched_cpu {
	spinlock_t lock; /* interrupts off; inside all others but timers' */
	struct sched_queue q;
	struct vcpu *curr;
	struct vcpu *idle;
	uint32_t curr_weight; /* of curr, 0 for idle: other CPUs read it without the lock */
	s_time_t balance_at;
	struct timer timer; /* end of a slice */
} __aligned(64);

static struct sched_cpu sched_cpus[NR_CPUS];
static uint64_t idle_cpus; /* CPUs that run their idle vcpu; atomic bits */

static struct vcpu *vcpu_of(const struct sched_vcpu *u)
{
	return container_of((struct sched_vcpu *)u, struct vcpu, sched);
}

static struct sched_cpu *sched_lock(const struct vcpu *v, uint64_t *flags)
{
	for (;;) {
		unsigned int p = READ_ONCE(v->processor);
		struct sched_cpu *sc = &sched_cpus[p];

		*flags = spin_lock_irqsave(&sc->lock);
		if (likely(v->processor == p))
			return sc;
		spin_unlock_irqrestore(&sc->lock, *flags);
	}
}

static void sched_unlock(struct sched_cpu *sc, uint64_t flags)
{
	spin_unlock_irqrestore(&sc->lock, flags);
}

bool vcpu_runnable(const struct vcpu *v)
{
	return !(READ_ONCE(v->pause_flags) | (unsigned int)READ_ONCE(v->pause_count) |
		 (unsigned int)READ_ONCE(v->domain->pause_count));
}

static bool allowed_on(const struct vcpu *v, unsigned int cpu)
{
	return (READ_ONCE(v->hard_affinity.bits) >> cpu) & 1;
}

static int off_state(const struct vcpu *v)
{
	return (v->pause_flags & VPF_BLOCKED) && !(v->pause_flags & VPF_DOWN) ? RUNSTATE_blocked
									      : RUNSTATE_offline;
}

/* ---- where to run */
static uint32_t cpu_load(unsigned int cpu)
{
	const struct sched_cpu *sc = &sched_cpus[cpu];

	/* A hint: vcpus come and go meanwhile. */
	return READ_ONCE(sc->q.weight) + READ_ONCE(sc->curr_weight);
}

/* The CPU where v should wait: an idle one that it likes, where it was, or the least loaded. */
static unsigned int choose_cpu(const struct vcpu *v)
{
	uint64_t hard = v->hard_affinity.bits & cpu_online.bits;
	uint64_t soft = hard & v->soft_affinity.bits;
	uint64_t idle = READ_ONCE(idle_cpus);
	unsigned int cpu, best = v->processor;
	uint32_t load, least = UINT32_MAX;

	if (unlikely(!hard))
		hard = cpu_online.bits; /* its CPUs are not there: anywhere rather than nowhere */
	if (!soft)
		soft = hard;
	if (((soft & idle) >> best) & 1)
		return best;
	if (soft & idle)
		return (unsigned int)__builtin_ctzl(soft & idle);
	if (((soft >> best) & 1) && !(hard & idle))
		return best;
	if (hard & idle)
		return (unsigned int)__builtin_ctzl(hard & idle);
	for_each_cpu(cpu, (cpumask_t){ soft }) {
		load = cpu_load(cpu);
		if (load < least) {
			least = load;
			best = cpu;
		}
	}
	return best;
}

/* v, which waits, was just put into sc's queue: have a CPU take it if one should. */
static void tickle(struct sched_cpu *sc, struct vcpu *v, s_time_t time)
{
	unsigned int cpu = v->processor;
	struct vcpu *curr = sc->curr;

	if (curr->is_idle || !vcpu_runnable(curr) ||
	    sched_preempts(&v->sched, &curr->sched, time)) {
		softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
		return;
	}
	/* curr ran alone, with no end of its slice: from now on it shares. */
	if (!timerq_queued(&sc->timer.node))
		timer_set(&sc->timer, time + SCHED_MARGIN);
}

/* Have an idle CPU that suits v come and take it from its queue. */
static void tickle_idle(const struct vcpu *v)
{
	uint64_t idle = READ_ONCE(idle_cpus) & v->hard_affinity.bits & cpu_online.bits;

	if (idle)
		softirq_raise_on((unsigned int)__builtin_ctzl(idle), SOFTIRQ_SCHEDULE);
}

/* ---- waking and sleeping */
void vcpu_wake(struct vcpu *v)
{
	uint64_t flags;
	struct sched_cpu *sc;
	unsigned int cpu;
	s_time_t time;

	for (;;) {
		sc = sched_lock(v, &flags);
		if (v->sched.queued || sc->curr == v || !vcpu_runnable(v) || unlikely(v->is_idle)) {
			/* Paused while blocked, say: account it as what it is now. */
			if (!v->sched.queued && sc->curr != v && !v->is_idle)
				vcpu_runstate_change(v, off_state(v), now());
			sched_unlock(sc, flags);
			return;
		}
		if (READ_ONCE(v->is_running)) {
			if (likely(allowed_on(v, v->processor)))
				break;
			/* Its old CPU is still saving it: that CPU wakes it again. */
			v->sched.migrate = 1;
			smp_mb();
			if (READ_ONCE(v->is_running)) {
				sched_unlock(sc, flags);
				return;
			}
		}
		cpu = choose_cpu(v);
		if (cpu == v->processor)
			break;
		WRITE_ONCE(v->processor, cpu); /* off: no queue has it; under the old CPU's lock */
		sched_unlock(sc, flags);
	}
	time = now();
	vcpu_runstate_change(v, RUNSTATE_runnable, time);
	sched_enqueue(&sc->q, &v->sched);
	tickle(sc, v, time);
	sched_unlock(sc, flags);
}

void vcpu_sleep_nosync(struct vcpu *v)
{
	uint64_t flags;
	struct sched_cpu *sc = sched_lock(v, &flags);

	if (likely(!vcpu_runnable(v))) {
		if (v->sched.queued)
			sched_dequeue(&sc->q, &v->sched);
		if (sc->curr == v)
			softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE);
		else if (!v->is_idle)
			vcpu_runstate_change(v, off_state(v), now());
	}
	sched_unlock(sc, flags);
}

void vcpu_sleep_sync(struct vcpu *v)
{
	vcpu_sleep_nosync(v);
	while (!vcpu_runnable(v) && __atomic_load_n(&v->is_running, __ATOMIC_ACQUIRE))
		asm volatile("pause" ::: "memory");
	sync_vcpu_state(v);
}

void vcpu_unblock(struct vcpu *v)
{
	struct domain *d = v->domain;

	if (!(READ_ONCE(v->pause_flags) & VPF_BLOCKED) ||
	    !(__atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED, __ATOMIC_SEQ_CST) & VPF_BLOCKED))
		return;
	if (unlikely(READ_ONCE(v->poll_evtchn))) {
		v->poll_evtchn = 0;
		clear_bit(v->id, &d->poll_mask);
	}
	vcpu_wake(v);
}

void vcpu_pause_nosync(struct vcpu *v)
{
	atomic_inc(&v->pause_count);
	vcpu_sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
	ASSERT(v != current);
	atomic_inc(&v->pause_count);
	vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
	if (atomic_dec_and_test(&v->pause_count))
		vcpu_wake(v);
}

void domain_pause_nosync(struct domain *d)
{
	struct vcpu *v;

	atomic_inc(&d->pause_count);
	for_each_vcpu(d, v)
		vcpu_sleep_nosync(v);
}

void domain_pause(struct domain *d)
{
	struct vcpu *v;

	ASSERT(d != current->domain);
	/* First all, then wait for all. */
	domain_pause_nosync(d);
	for_each_vcpu(d, v)
		vcpu_sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
	struct vcpu *v;

	if (atomic_dec_and_test(&d->pause_count))
		for_each_vcpu(d, v)
			vcpu_wake(v);
}

/* ---- hypercalls' short ways */
void vcpu_block_enable_events(void)
{
	struct vcpu *v = current;

	WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 0);
	__atomic_fetch_or(&v->pause_flags, VPF_BLOCKED, __ATOMIC_SEQ_CST);
	/* An event that comes from here on unblocks; one that came before is seen now. */
	if (READ_ONCE(v->vcpu_info->evtchn_upcall_pending))
		__atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED, __ATOMIC_SEQ_CST);
	else
		softirq_raise(SOFTIRQ_SCHEDULE);
}

long vcpu_yield(void)
{
	struct vcpu *v = current;

	/* Nobody waits here: nothing to give way to. Read without the lock; the next yield sees a late comer. */
	if (!READ_ONCE(sched_cpus[v->processor].q.first))
		return 0;
	v->sched.yielded = 1;
	softirq_raise(SOFTIRQ_SCHEDULE);
	return 0;
}

int vcpu_set_hard_affinity(struct vcpu *v, cpumask_t set)
{
	uint64_t flags;
	struct sched_cpu *sc;
	bool move = false;

	if (!(set.bits & cpu_online.bits))
		return -XEN_EINVAL;
	sc = sched_lock(v, &flags);
	v->hard_affinity = set;
	if (!allowed_on(v, v->processor)) {
		if (v->sched.queued) {
			sched_dequeue(&sc->q, &v->sched);
			move = true;
		} else if (sc->curr == v) {
			softirq_raise_on(v->processor, SOFTIRQ_SCHEDULE);
		}
	}
	sched_unlock(sc, flags);
	if (move)
		vcpu_wake(v);
	return 0;
}

/* ---- choosing */
struct thief {
	unsigned int cpu;
	bool soft; /* only those that like this CPU */
};

static bool may_steal(const struct sched_vcpu *u, void *arg)
{
	const struct thief *t = arg;
	const struct vcpu *v = vcpu_of(u);

	return !READ_ONCE(v->is_running) && allowed_on(v, t->cpu) &&
	       (!t->soft || ((v->soft_affinity.bits >> t->cpu) & 1));
}

/* This CPU has nothing to do: take a waiting vcpu from another one. Our lock is held; theirs are only tried. */
static bool steal(struct sched_cpu *sc, unsigned int cpu, s_time_t time, s_time_t *again_at)
{
	struct thief thief = { .cpu = cpu };
	unsigned int other;

	for (int pass = 0; pass < 2; pass++) {
		thief.soft = pass == 0;
		for_each_cpu(other, cpu_online) {
			struct sched_cpu *so = &sched_cpus[other];
			struct sched_vcpu *u;

			if (other == cpu || !READ_ONCE(so->q.first))
				continue;
			if (!spin_trylock(&so->lock)) {
				*again_at = time + SCHED_SLICE_MIN; /* busy: look again soon */
				continue;
			}
			u = sched_find(&so->q, time, may_steal, &thief);
			if (u) {
				sched_dequeue(&so->q, u);
				WRITE_ONCE(vcpu_of(u)->processor, cpu);
			}
			spin_unlock(&so->lock);
			if (u) {
				sched_enqueue(&sc->q, u);
				return true;
			}
		}
	}
	return false;
}

/* Others wait here: from time to time give one of them to a CPU with less to do. Our lock is held. */
static void give_away(struct sched_cpu *sc, unsigned int cpu, s_time_t time)
{
	struct sched_vcpu *u;
	unsigned int other;

	sc->balance_at = time + BALANCE_PERIOD;
	for (u = sc->q.first; u; u = u->next) {
		struct vcpu *v = vcpu_of(u);
		uint64_t set = v->hard_affinity.bits & v->soft_affinity.bits & cpu_online.bits &
			       ~BIT(cpu);

		if (READ_ONCE(v->is_running))
			continue;
		for_each_cpu(other, (cpumask_t){ set }) {
			struct sched_cpu *so = &sched_cpus[other];

			if (!sched_should_move(u->load, cpu_load(cpu), cpu_load(other)) ||
			    !spin_trylock(&so->lock))
				continue;
			sched_dequeue(&sc->q, u);
			WRITE_ONCE(v->processor, other);
			sched_enqueue(&so->q, u);
			tickle(so, v, time);
			spin_unlock(&so->lock);
			return;
		}
	}
}

static void slice_ended(void *arg)
{
	softirq_raise(SOFTIRQ_SCHEDULE);
}

/* Have schedule() called at `at` (0: no need). A timer that fires earlier does too. */
static void set_slice(struct sched_cpu *sc, s_time_t at, s_time_t time)
{
	if (!at)
		timer_stop(&sc->timer);
	else if (!timerq_queued(&sc->timer.node) || sc->timer.node.expires > at ||
		 sc->timer.node.expires <= time)
		timer_set(&sc->timer, at);
}

/* A vcpu's timers follow it, so that they fire where it runs. */
static void move_timers(struct vcpu *v, unsigned int cpu)
{
	if (likely(v->singleshot_timer.cpu == cpu))
		return;
	timer_migrate(&v->singleshot_timer, cpu);
	timer_migrate(&v->periodic_timer, cpu);
	timer_migrate(&v->poll_timer, cpu);
}

/* Our lock is held. Who runs now; prev, if it can go on, waits when it is not chosen. */
static struct vcpu *choose(struct sched_cpu *sc, struct vcpu *prev, unsigned int cpu, s_time_t time)
{
	struct sched_vcpu *running = NULL;
	struct sched_choice c;

	if (!prev->is_idle) {
		sched_charge(&prev->sched, time);
		if (vcpu_runnable(prev)) {
			if (likely(allowed_on(prev, cpu)))
				running = &prev->sched;
			else
				prev->sched.migrate = 1;
		}
		if (running && sc->q.first && time >= sc->balance_at)
			give_away(sc, cpu, time);
	}
	c = sched_choose(&sc->q, running, time);
	if (!c.next && steal(sc, cpu, time, &c.again_at))
		c = sched_choose(&sc->q, running, time);
	if (running && c.next != running)
		sched_enqueue(&sc->q, running);
	set_slice(sc, c.again_at, time);
	return c.next ? vcpu_of(c.next) : sc->idle;
}

void schedule(void)
{
	unsigned int cpu = smp_cpu();
	struct sched_cpu *sc = &sched_cpus[cpu];
	struct vcpu *prev = current, *next;
	s_time_t time;

	irq_disable();
	spin_lock(&sc->lock);
	time = now();
	next = choose(sc, prev, cpu, time);
	if (next == prev) {
		spin_unlock(&sc->lock);
		irq_enable();
		return;
	}
	if (!prev->is_idle)
		vcpu_runstate_change(prev,
				     prev->sched.queued || prev->sched.migrate ? RUNSTATE_runnable
									       : off_state(prev),
				     time);
	sc->curr = next;
	sc->curr_weight = next->is_idle ? 0 : sched_weight(&next->domain->sched);
	/* Seen before the event flags are looked at on the way out: vcpu_kick() relies on it. */
	(void)atomic_xchg(&next->is_running, true);
	if (next->is_idle) {
		set_bit(cpu, &idle_cpus);
	} else {
		if (prev->is_idle)
			clear_bit(cpu, &idle_cpus);
		vcpu_runstate_change(next, RUNSTATE_running, time);
		move_timers(next, cpu);
	}
	spin_unlock(&sc->lock);
	if (!prev->is_idle)
		vcpu_runstate_publish(prev);
	context_switch(prev, next);
	/* Only an idle vcpu comes back here. */
	irq_enable();
}

void context_saved(struct vcpu *prev)
{
	(void)atomic_xchg(&prev->is_running, false);
	if (unlikely(READ_ONCE(prev->sched.migrate))) {
		prev->sched.migrate = 0;
		vcpu_wake(prev);
	} else if (READ_ONCE(prev->sched.queued) && READ_ONCE(idle_cpus)) {
		tickle_idle(prev);
	}
}

/* ---- life cycle */
int sched_vcpu_init(struct vcpu *v)
{
	v->sched.dom = &v->domain->sched;
	v->runstate.state = v->is_idle ? RUNSTATE_running : RUNSTATE_offline;
	v->runstate.state_entry_time = (uint64_t)now();
	if (!v->is_idle)
		v->processor = choose_cpu(v);
	return 0;
}

void sched_vcpu_destroy(struct vcpu *v)
{
	ASSERT(!v->sched.queued && !v->is_running);
}

unsigned int sched_queue_length(unsigned int cpu)
{
	return READ_ONCE(sched_cpus[cpu].q.nr);
}

/* This CPU's idle vcpu, made when the CPU comes up and never freed. */
static struct vcpu *make_idle(unsigned int cpu)
{
	struct vcpu *v = hv_alloc(sizeof(*v));

	if (!v)
		hv_panic("CPU %u: no memory for its idle vcpu\n", cpu);
	v->id = cpu;
	v->domain = idle_domain;
	v->is_idle = true;
	v->is_running = true;
	v->is_initialised = true;
	v->processor = cpu;
	v->hard_affinity.bits = v->soft_affinity.bits = BIT(cpu);
	v->vcpu_info = &dummy_vcpu_info;
	v->vcpu_info_mfn = MFN_NONE;
	(void)sched_vcpu_init(v); /* cannot fail: it allocates nothing */
	idle_domain->vcpu[cpu] = v;
	idle_vcpu[cpu] = v;
	return v;
}

void sched_init_cpu(unsigned int cpu)
{
	struct sched_cpu *sc = &sched_cpus[cpu];

	sc->idle = make_idle(cpu);
	sc->curr = sc->idle;
	timer_init(&sc->timer, slice_ended, NULL, cpu);
	cpu_info()->curr = sc->idle;
	set_bit(cpu, &idle_cpus);
}

void sched_init(void)
{
	softirq_register(SOFTIRQ_SCHEDULE, schedule);
}

void sched_dump(void)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpu_online) {
		struct sched_cpu *sc = &sched_cpus[cpu];
		uint64_t flags = spin_lock_irqsave(&sc->lock);
		const struct sched_vcpu *u;

		log_info("CPU %u: runs d%uv%u, %u waiting, clock %ld\n", cpu, sc->curr->domain->id,
			 sc->curr->id, sc->q.nr, sc->q.clock);
		for (u = sc->q.first; u; u = u->next)
			log_info("  d%uv%u vtime %ld weight %u cap %u\n", vcpu_of(u)->domain->id,
				 vcpu_of(u)->id, u->vtime, sched_weight(u->dom), u->dom->cap);
		spin_unlock_irqrestore(&sc->lock, flags);
	}
}
