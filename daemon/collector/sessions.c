// SPDX-License-Identifier: MIT
#include "collector/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/bpf_host.h"
#include "collector/clock.h"
#include "collector/counts.h"
#include "collector/heap_memory.h"
#include "collector/ledger.h"
#include "collector/targets.h"
#include "util/cleanup.h"
#include "util/log.h"

#define NS_PER_S 1000000000ULL

struct session {
	struct sessions *owner;
	unsigned slot;
	uint32_t id;
	enum session_kind kind;
	enum session_type type;
	unsigned frequency;
	uint64_t sample_bytes;
	char *filter_text;
	struct clock *clock;	/* NULL: SESSION_HEAP */
	struct cpu_times start; /* of the host, when the events were enabled */
	bool stopped;
	struct ledger_source books; /* written, lost: always; the rest: once stopped */
	uint64_t read;
	uint64_t frozen_period_ns; /* once stopped */
};

struct sessions {
	struct bpf_host *bpf;
	struct session *slots[PROFD_MAX_SESSIONS];
	uint32_t last_id;
	struct ledger ended;
	uint64_t targets_full; /* already warned about */
};

static const char *const type_names[SESSION_TYPES] = {
	[SESSION_CPU] = "cpu",
	[SESSION_HEAP] = "heap",
};

const char *session_type_name(enum session_type type)
{
	return type_names[type];
}

enum session_type session_type_named(const char *name)
{
	enum session_type type = SESSION_CPU;

	while (type < SESSION_TYPES && strcmp(type_names[type], name) != 0)
		type++;
	return type;
}

int sessions_new(struct sessions **out, struct bpf_host *bpf)
{
	struct sessions *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->bpf = bpf;
	s->targets_full = bpf_host_targets_full(bpf);
	*out = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	for (unsigned slot = 0; slot < PROFD_MAX_SESSIONS; slot++)
		if (s->slots[slot]) {
			session_stop(s->slots[slot]);
			session_release(s->slots[slot]);
		}
	free(s);
}

/* ---- filters ------------------------------------------------------------------------------ */

static void print_ids(FILE *f, const char *what, const uint32_t *ids, size_t n)
{
	fprintf(f, ", %s ", what);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%u", i ? "," : "", ids[i]);
}

/* Each part begins with ", "; NULL without memory. */
static char *describe_filter(const struct session_config *config)
{
	const struct session_filter *filter = &config->filter;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (filter->n_pids)
		print_ids(f, "pid", filter->pids, filter->n_pids);
	if (filter->n_pids && filter->children)
		fputs(" and children", f);
	if (filter->n_tids)
		print_ids(f, "tid", filter->tids, filter->n_tids);
	if (filter->comm)
		fprintf(f, ", comm %s", filter->comm);
	if (filter->cgroup)
		fprintf(f, ", cgroup %s", filter->cgroup);
	if (filter->watch)
		fprintf(f, ", watch %s", filter->watch);
	if (filter->by_uid)
		fprintf(f, ", uid %u", filter->uid);
	fflush(f);
	if (size == 0)
		fputs(", whole host", f);
	if (filter->no_kernel)
		fputs(", user frames only", f);
	if (config->exclude_self)
		fputs(", without profd", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	memmove(text, text + 2, strlen(text + 2) + 1);
	return text;
}

static uint32_t session_flags(const struct session_config *config)
{
	const struct session_filter *f = &config->filter;
	uint32_t flags = PROFD_SESSION_ACTIVE;

	if (f->n_pids)
		flags |= PROFD_SESSION_BY_PID;
	if (f->n_pids && f->children)
		flags |= PROFD_SESSION_CHILDREN;
	if (f->n_tids)
		flags |= PROFD_SESSION_BY_TID;
	if (f->comm)
		flags |= PROFD_SESSION_BY_COMM;
	if (f->cgroup)
		flags |= PROFD_SESSION_BY_CGROUP;
	if (f->cgroup && f->cgroup_is_v1)
		flags |= PROFD_SESSION_CGROUP_V1;
	if (f->by_uid)
		flags |= PROFD_SESSION_BY_UID;
	if (f->no_kernel)
		flags |= PROFD_SESSION_NO_KERNEL;
	if (config->exclude_self)
		flags |= PROFD_SESSION_NOT_SELF;
	return flags;
}

/* The flags last: the programs look at the rest only if those are set. */
static void publish(const struct session *session, const struct session_config *config)
{
	struct profd_session *p = &bpf_host_sessions(session->owner->bpf)[session->slot];
	const struct session_filter *filter = &config->filter;

	p->id = session->id;
	p->uid = filter->uid;
	p->cgroup = filter->cgroup_id;
	memset(p->comm, 0, sizeof(p->comm));
	if (filter->comm)
		memcpy(p->comm, filter->comm, strnlen(filter->comm, sizeof(p->comm) - 1));
	__atomic_store_n(&p->flags, session_flags(config), __ATOMIC_RELEASE);
}

static void withdraw(const struct session *session)
{
	struct profd_session *p = &bpf_host_sessions(session->owner->bpf)[session->slot];

	__atomic_store_n(&p->flags, 0, __ATOMIC_RELEASE);
}

/* ---- start and end ------------------------------------------------------------------------ */

static int explain(int error, char *why, size_t why_size)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
		snprintf(why, why_size,
			"too many open files: a session needs one for each CPU; raise LimitNOFILE");
		break;
	case -E2BIG:
		snprintf(why, why_size,
			"too many processes are named: at most %d over all sessions; select by "
			"cgroup "
			"or comm instead",
			PROFD_MAX_TARGETS);
		break;
	default:
		snprintf(why, why_size, "cannot start sampling: %s", strerror(-error));
	}
	return error;
}

static int choose_clock(const struct sessions *s, enum clock_choice choice, bool *cycles, char *why,
	size_t why_size)
{
	bool hardware = bpf_host_features(s->bpf)->hardware_clock;

	if (choice == CLOCK_CYCLES && !hardware) {
		snprintf(why, why_size,
			"this machine offers no hardware cycle counter (usual in virtual "
			"machines): use "
			"clock = cpu-clock or auto");
		return -EOPNOTSUPP;
	}
	*cycles = hardware && choice != CLOCK_CPU_CLOCK;
	return 0;
}

static void session_free(struct session *session)
{
	clock_close(session->clock);
	free(session->filter_text);
	free(session);
}

static int begin_clock(struct session *session, const struct session_config *config, bool cycles)
{
	struct clock_config clock = {
		.cycles = cycles,
		.frequency = config->frequency,
		.slot = session->slot,
		.program = bpf_host_clock_program(session->owner->bpf),
	};
	int r = clock_open(&session->clock, &clock);

	if (r == 0)
		r = clock_cpu_times(&session->start);
	return r == 0 ? clock_enable(session->clock) : r;
}

/* Its probes are attached by whoever knows the processes: see heap_watch.h. */
static int begin_heap(struct session *session)
{
	struct bpf_host *bpf = session->owner->bpf;

	bpf_host_heaps(bpf)[session->slot] = (struct profd_heap){
		.keep = UINT32_MAX, .mean = session->sample_bytes, .most = heap_memory_most()};
	return bpf_host_hold_heap_ring(bpf);
}

/* Filter, targets, events, in this order: no tick comes before its filter. */
static int begin(struct session *session, const struct session_config *config, bool cycles)
{
	struct bpf_host *bpf = session->owner->bpf;

	counts_zero(bpf_host_counts(bpf), session->slot);
	publish(session, config);
	int r = targets_install(bpf, session->slot, &config->filter);
	if (r == 0)
		r = config->type == SESSION_HEAP ? begin_heap(session)
						 : begin_clock(session, config, cycles);
	if (r < 0) {
		withdraw(session);
		bpf_host_clear_targets(bpf, session->slot);
	}
	return r;
}

static struct session *allocate(
	struct sessions *s, unsigned slot, const struct session_config *config)
{
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	session->owner = s;
	session->slot = slot;
	session->id = ++s->last_id;
	session->kind = config->kind;
	session->type = config->type;
	session->frequency = config->frequency;
	session->sample_bytes = config->sample_bytes;
	session->filter_text = describe_filter(config);
	if (session->filter_text)
		return session;
	session_free(session);
	return NULL;
}

int sessions_start(struct sessions *s, const struct session_config *config, struct session **out,
	char *why, size_t why_size)
{
	bool cycles = false;
	unsigned slot = 0;

	while (slot < PROFD_MAX_SESSIONS && s->slots[slot])
		slot++;
	if (slot == PROFD_MAX_SESSIONS) {
		snprintf(why, why_size,
			"%d profiling sessions are running already, more are not possible",
			PROFD_MAX_SESSIONS);
		return -EBUSY;
	}
	int r = config->type == SESSION_HEAP
			? 0
			: choose_clock(s, config->clock, &cycles, why, why_size);
	if (r < 0)
		return r;
	struct session *session = allocate(s, slot, config);
	if (!session)
		return explain(-ENOMEM, why, why_size);
	r = begin(session, config, cycles);
	if (r < 0) {
		session_free(session);
		return explain(r, why, why_size);
	}
	s->slots[slot] = session;
	*out = session;
	return 0;
}

/* Counters first, so that every run they show is in the ticks too. */
static void measure(const struct session *session, struct ledger_source *books)
{
	struct cpu_times now;

	counts_session(bpf_host_counts(session->owner->bpf), session->slot, &books->programs);
	books->ticks = books->idle = 0;
	if (!session->clock)
		return;
	books->ticks = clock_read(session->clock).ticks;
	if (!clock_is_cycles(session->clock) && clock_cpu_times(&now) == 0 &&
		now.idle > session->start.idle)
		books->idle = (now.idle - session->start.idle) / clock_period(session->clock);
}

void session_stop(struct session *session)
{
	if (session->stopped)
		return;
	if (session->clock)
		clock_disable(session->clock);
	withdraw(session);
	measure(session, &session->books);
	if (session->clock)
		session->frozen_period_ns = session_period_ns(session);
	session->stopped = true;
}

void session_release(struct session *session)
{
	struct sessions *s = session->owner;
	struct ledger ledger;

	session_stop(session);
	session_ledger(session, &ledger);
	if (ledger.pending)
		log_debug("session %u ends with %llu samples unsettled, %llu were read",
			session->id, (unsigned long long)ledger.pending,
			(unsigned long long)session->read);
	/* What no ring delivered until now never comes. */
	session->books.lost[LOST_RECORD] += ledger.pending;
	session_ledger(session, &ledger);
	ledger_add(&s->ended, &ledger);
	bpf_host_sessions(s->bpf)[session->slot].id = 0;
	bpf_host_clear_targets(s->bpf, session->slot);
	if (session->type == SESSION_HEAP) {
		bpf_host_close_live(s->bpf, session->slot);
		bpf_host_release_heap_ring(s->bpf);
	}
	s->slots[session->slot] = NULL;
	session_free(session);
}

int sessions_sync_cpus(struct sessions *s)
{
	static struct log_limit limit = {.seconds = 60};
	struct cpus online;
	int r = cpus_online(&online);

	for (unsigned slot = 0; r == 0 && slot < PROFD_MAX_SESSIONS; slot++)
		if (s->slots[slot] && s->slots[slot]->clock && !s->slots[slot]->stopped)
			r = clock_sync(s->slots[slot]->clock, &online);
	uint64_t full = bpf_host_targets_full(s->bpf);
	if (full != s->targets_full && log_allowed(&limit)) {
		log_warning("%llu child processes are not recorded: over %d are named already",
			(unsigned long long)(full - s->targets_full), PROFD_MAX_TARGETS);
		s->targets_full = full;
	}
	return r;
}

/* ---- reading ------------------------------------------------------------------------------ */

uint32_t session_id(const struct session *session)
{
	return session->id;
}

enum session_kind session_kind(const struct session *session)
{
	return session->kind;
}

enum session_type session_type(const struct session *session)
{
	return session->type;
}

unsigned session_slot(const struct session *session)
{
	return session->slot;
}

uint64_t session_sample_bytes(const struct session *session)
{
	return session->sample_bytes;
}

unsigned session_frequency(const struct session *session)
{
	return session->frequency;
}

const char *session_clock(const struct session *session)
{
	if (!session->clock)
		return "";
	return clock_is_cycles(session->clock) ? "cycles" : "cpu-clock";
}

const char *session_filter_text(const struct session *session)
{
	return session->filter_text;
}

uint64_t session_period_ns(const struct session *session)
{
	struct cpu_times now;

	if (session->stopped)
		return session->frozen_period_ns;
	uint64_t period = clock_period(session->clock);
	if (!clock_is_cycles(session->clock))
		return period;
	uint64_t count = clock_read(session->clock).count;
	/* Under a tenth of a busy second the steps of /proc/stat are too coarse. */
	if (clock_cpu_times(&now) < 0 || count == 0 ||
		now.busy < session->start.busy + NS_PER_S / 10)
		return NS_PER_S / session->frequency;
	double busy = (double)(now.busy - session->start.busy);
	return (uint64_t)(busy * (double)period / (double)count + 0.5);
}

/* ---- books -------------------------------------------------------------------------------- */

void session_count_read(struct session *session)
{
	session->read++;
}

void session_count_stack(
	struct session *session, enum profd_unwind_way way, enum profd_unwind_end end)
{
	session->books.stacks[way][end]++;
}

void session_count_lost(struct session *session, enum session_lost reason, uint64_t n)
{
	session->books.lost[reason] += n;
}

void session_count_written(struct session *session, uint64_t n)
{
	session->books.written += n;
}

void session_ledger(struct session *session, struct ledger *out)
{
	/* A probe that was hit before the session was stopped may still be counting. */
	if (!session->stopped || !session->clock)
		measure(session, &session->books);
	ledger_balance(out, &session->books);
}

void sessions_ledger(struct sessions *s, struct ledger *out)
{
	struct ledger ledger;

	*out = s->ended;
	for (unsigned slot = 0; slot < PROFD_MAX_SESSIONS; slot++) {
		if (!s->slots[slot])
			continue;
		session_ledger(s->slots[slot], &ledger);
		ledger_add(out, &ledger);
	}
}
