/* SPDX-License-Identifier: MIT */
#include "profile/gather.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/agree.h"
#include "profile/pprof.h"
#include "profile/private.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define MAX_THREADS   8
#define MAX_SHARE     64 /* inputs */
#define WANTED_SHARES 16 /* if there are enough inputs, so that all threads have work */
#define WHY_BYTES     512

/* What is gathered. Headers are kept apart until the end, so that the strings of samples have the
 * same order however the inputs are cut. */
struct sum {
	struct profile *samples, *headers;
};

struct outcome {
	int err;
	char *why;
};

struct share {
	size_t first, n;
	struct outcome outcomes[MAX_SHARE];
};

struct gatherer {
	const struct gather *job;
	struct sum sum;
	struct profile *types; /* of the first; the sum is another thread's to change */
	size_t first, share_size, n_shares; /* the inputs from `first` on */
	pthread_mutex_t lock;		    /* of what follows */
	pthread_cond_t turned;
	size_t next; /* share that nobody has begun */
	size_t turn; /* share that may add to `sum` */
	size_t n_skipped, n_merged;
	int error; /* the first that ends it all */
};

static int sum_init(struct sum *s)
{
	s->samples = profile_new();
	s->headers = profile_new();
	return s->samples && s->headers ? 0 : -ENOMEM;
}

static void sum_free(struct sum *s)
{
	profile_free(s->samples);
	profile_free(s->headers);
}

/* ---- one input ---------------------------------------------------------------------------- */

static bool is_selected(const void *userdata, const struct profile *p, const struct sample *s)
{
	return select_sample(userdata, p, s);
}

static bool takes_all(const struct gather *job)
{
	return !job->selection || selection_is_empty(job->selection);
}

static int forget_past(struct profile *p)
{
	profile_forget_levels(p);
	return profile_add_levels(p);
}

static struct profile *read_input(const struct gather *job, size_t i, struct outcome *outcome)
{
	bool alone = job->n == 1 && takes_all(job);
	struct profile *p = NULL;
	char why[WHY_BYTES] = "";
	int fd = job->open(job->userdata, i, why, sizeof(why));

	if (fd < 0)
		outcome->err = fd;
	else
		outcome->err = (alone ? pprof_read : pprof_read_lean)(
			&p, fd, job->name(job->userdata, i), why, sizeof(why));
	close_fd(fd);
	if (outcome->err)
		outcome->why = strdup(why);
	else if (i < job->n_past)
		outcome->err = forget_past(p);
	if (outcome->err) {
		profile_free(p);
		return NULL;
	}
	return p;
}

/* Without what its samples no longer need, and without those of nothing. */
static int rebuild(struct profile **p)
{
	struct profile *fresh = profile_new();
	int r = fresh ? profile_adopt_types(fresh, *p) : -ENOMEM;

	if (r == 0)
		r = profile_copy_samples(fresh, *p, NULL, NULL);
	if (r == 0) {
		profile_free(*p);
		*p = take_ptr(fresh);
	}
	profile_free(fresh);
	return r;
}

/* Brings what is added, and what it is added to, to the types that both have. -EINVAL with a line
 * in `why` if there are none. */
static int agree(struct sum *into, struct sum *from, char *why, size_t why_size)
{
	bool changed = false;

	if (!into->samples->n_sample_types) {
		int r = profile_drop_ambiguous_types(from->samples, why, why_size);
		return r ? r : profile_adopt_types(into->samples, from->samples);
	}
	/* It is the headers' business, but its unit is one of the types. */
	into->samples->period = into->headers->period;
	from->samples->period = from->headers->period;
	int r = profile_agree(into->samples, from->samples, &changed, why, why_size);
	into->headers->period = into->samples->period;
	from->headers->period = from->samples->period;
	into->samples->period = 0;
	return r == 0 && changed ? rebuild(&into->samples) : r;
}

/* 0, also where the input does not fit; -ENOMEM or -E2BIG ends it all. */
static int add_input(
	const struct gather *job, struct sum *into, struct profile *p, struct outcome *outcome)
{
	char why[WHY_BYTES] = "";
	int r = agree(into, &(struct sum){p, p}, why, sizeof(why));

	if (r == -EINVAL) {
		outcome->err = r;
		outcome->why = strdup(why);
		return 0;
	}
	if (r == 0)
		r = profile_merge_headers(into->headers, p);
	if (r == 0)
		r = profile_copy_samples(
			into->samples, p, takes_all(job) ? NULL : is_selected, job->selection);
	return r;
}

static int take_input(const struct gather *job, struct sum *into, size_t i, struct outcome *outcome)
{
	struct profile *p = read_input(job, i, outcome);
	int r = p ? add_input(job, into, p, outcome) : outcome->err == -ENOMEM ? -ENOMEM : 0;

	profile_free(p);
	return r;
}

static void tell(struct gatherer *g, size_t i, struct outcome *outcome)
{
	if (outcome->err) {
		g->job->skipped(
			g->job->userdata, i, outcome->err, outcome->why ? outcome->why : "");
		g->n_skipped++;
	} else {
		g->n_merged++;
	}
	free(outcome->why);
	*outcome = (struct outcome){0};
}

/* ---- shares ------------------------------------------------------------------------------- */

static bool has_ended(struct gatherer *g)
{
	pthread_mutex_lock(&g->lock);
	bool ended = g->error;
	pthread_mutex_unlock(&g->lock);
	return ended;
}

/* False when something ended it all. */
static bool wait_for_turn(struct gatherer *g, size_t share)
{
	pthread_mutex_lock(&g->lock);
	while (g->turn != share && !g->error)
		pthread_cond_wait(&g->turned, &g->lock);
	bool go_on = !g->error;
	pthread_mutex_unlock(&g->lock);
	return go_on;
}

static void end_turn(struct gatherer *g, int error)
{
	pthread_mutex_lock(&g->lock);
	if (error && !g->error)
		g->error = error;
	g->turn++;
	pthread_cond_broadcast(&g->turned);
	pthread_mutex_unlock(&g->lock);
}

/* Inputs of a share of their own are added to the result itself. */
static int run_single(struct gatherer *g, size_t index, struct share *share)
{
	struct profile *p = read_input(g->job, share->first, share->outcomes);
	int r = share->outcomes->err == -ENOMEM ? -ENOMEM : 0;

	if (wait_for_turn(g, index) && p)
		r = add_input(g->job, &g->sum, p, share->outcomes);
	profile_free(p);
	return r;
}

/* What none of the inputs of a share was passed over for, but all of them together are. */
static void refuse(struct share *share, const char *why)
{
	for (size_t i = 0; i < share->n; i++) {
		if (share->outcomes[i].err)
			continue;
		share->outcomes[i].err = -EINVAL;
		share->outcomes[i].why = strdup(why);
	}
}

static int add_share(struct sum *into, struct sum *from, struct share *share)
{
	char why[WHY_BYTES] = "";
	int r = agree(into, from, why, sizeof(why));

	if (r == -EINVAL) {
		refuse(share, why);
		return 0;
	}
	if (r == 0)
		r = profile_merge_headers(into->headers, from->headers);
	return r ? r : profile_copy_samples(into->samples, from->samples, NULL, NULL);
}

static int run_several(struct gatherer *g, size_t index, struct share *share)
{
	struct sum sum;
	int r = sum_init(&sum);

	if (r == 0)
		r = profile_adopt_types(sum.samples, g->types);
	for (size_t i = 0; r == 0 && i < share->n; i++)
		r = take_input(g->job, &sum, share->first + i, &share->outcomes[i]);
	if (wait_for_turn(g, index) && r == 0)
		r = add_share(&g->sum, &sum, share);
	sum_free(&sum);
	return r;
}

static void run_share(struct gatherer *g, size_t index, struct share *share)
{
	share->first = g->first + index * g->share_size;
	share->n = g->job->n - share->first;
	if (share->n > g->share_size)
		share->n = g->share_size;
	/* Both return in their turn, or when an error has ended all turns. */
	int r = g->share_size == 1 ? run_single(g, index, share) : run_several(g, index, share);
	bool ended = r || has_ended(g);
	for (size_t i = 0; i < share->n; i++) {
		if (!ended)
			tell(g, share->first + i, &share->outcomes[i]);
		free(share->outcomes[i].why);
		share->outcomes[i] = (struct outcome){0};
	}
	end_turn(g, r);
}

static bool next_share(struct gatherer *g, size_t *index)
{
	pthread_mutex_lock(&g->lock);
	bool found = g->next < g->n_shares && !g->error;
	if (found)
		*index = g->next++;
	pthread_mutex_unlock(&g->lock);
	return found;
}

static void *work(void *userdata)
{
	struct gatherer *g = userdata;
	struct share *share = calloc(1, sizeof(*share));
	size_t index;

	if (!share) {
		/* Others may do without this thread, but its share has no owner if it is alone. */
		pthread_mutex_lock(&g->lock);
		g->error = -ENOMEM;
		pthread_cond_broadcast(&g->turned);
		pthread_mutex_unlock(&g->lock);
		return NULL;
	}
	while (next_share(g, &index))
		run_share(g, index, share);
	free(share);
	return NULL;
}

/* ---- all ---------------------------------------------------------------------------------- */

static unsigned count_threads(const struct gatherer *g)
{
	unsigned n = g->job->threads;
	cpu_set_t cpus;

	if (!n)
		n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	if (n > MAX_THREADS)
		n = MAX_THREADS;
	return n > g->n_shares ? (unsigned)g->n_shares : n;
}

/* The first that can be read says what the others must measure, at least in part. */
static int take_first(struct gatherer *g)
{
	int r = 0;

	for (; r == 0 && g->first < g->job->n && !g->sum.samples->n_sample_types; g->first++) {
		struct outcome outcome = {0};
		r = take_input(g->job, &g->sum, g->first, &outcome);
		if (r == 0)
			tell(g, g->first, &outcome);
		free(outcome.why);
	}
	return r;
}

static int keep_types(struct gatherer *g)
{
	g->types = profile_new();
	int r = g->types ? profile_adopt_types(g->types, g->sum.samples) : -ENOMEM;
	return r ? r : profile_merge_headers(g->types, g->sum.headers);
}

static void cut(struct gatherer *g)
{
	size_t left = g->job->n - g->first;

	g->share_size = left / WANTED_SHARES;
	if (g->share_size > MAX_SHARE)
		g->share_size = MAX_SHARE;
	if (g->share_size < 1)
		g->share_size = 1;
	g->n_shares = (left + g->share_size - 1) / g->share_size;
}

static void run_threads(struct gatherer *g)
{
	pthread_t threads[MAX_THREADS];
	unsigned started = 0, wanted = count_threads(g);

	/* Its first call chooses it, and is no business of several threads. */
	hash_seed();
	/* This one is a thread as well, and enough where no other can be had. */
	while (started + 1 < wanted && !pthread_create(&threads[started], NULL, work, g))
		started++;
	work(g);
	while (started)
		pthread_join(threads[--started], NULL);
}

static int take_alone(struct gatherer *g, struct profile **out)
{
	struct outcome outcome = {0};
	struct profile *p = read_input(g->job, 0, &outcome);
	char why[WHY_BYTES] = "";

	if (p)
		outcome.err = profile_drop_ambiguous_types(p, why, sizeof(why));
	if (outcome.err == -EINVAL && p)
		outcome.why = strdup(why);
	int r = !outcome.err ? 0 : outcome.err == -ENOMEM ? -ENOMEM : -ENODATA;
	if (r)
		profile_free(take_ptr(p));
	if (r != -ENOMEM)
		tell(g, 0, &outcome);
	free(outcome.why);
	*out = p;
	return r;
}

static bool has_sample_of_nothing(const struct profile *p)
{
	size_t n = p->n_sample_types;

	for (size_t i = 0; i < p->n_samples; i++) {
		bool any = false;
		for (size_t k = 0; k < n; k++)
			any |= p->values[i * n + k] != 0;
		if (!any)
			return true;
	}
	return false;
}

/* Where types were left out, it is the first profile's default that counts, if it is still there.
 */
static void settle_default(struct gatherer *g)
{
	struct profile *p = g->sum.samples;

	if (p->n_sample_types == g->types->n_sample_types)
		return;
	const char *wanted = profile_text(g->types, g->types->default_sample_type);
	p->default_sample_type = p->sample_types[0].type;
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (!strcmp(profile_text(p, p->sample_types[i].type), wanted))
			p->default_sample_type = p->sample_types[i].type;
}

static int finish(struct gatherer *g)
{
	int r = 0;

	if (!g->n_merged)
		return -ENODATA;
	if (has_sample_of_nothing(g->sum.samples))
		r = rebuild(&g->sum.samples);
	settle_default(g);
	if (r == 0)
		r = profile_merge_headers(g->sum.samples, g->sum.headers);
	return r ? r : profile_unshare_labels(g->sum.samples);
}

static int gather_several(struct gatherer *g, struct profile **out)
{
	int r = sum_init(&g->sum);

	if (r == 0)
		r = take_first(g);
	if (r == 0)
		r = keep_types(g);
	if (r == 0) {
		cut(g);
		run_threads(g);
		r = g->error;
	}
	if (r == 0)
		r = finish(g);
	if (r == 0)
		*out = take_ptr(g->sum.samples);
	profile_free(g->types);
	sum_free(&g->sum);
	return r;
}

int profile_gather(struct profile **out, const struct gather *job, size_t *n_skipped)
{
	struct gatherer g = {
		.job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};
	int r = job->n == 1 && takes_all(job) ? take_alone(&g, out) : gather_several(&g, out);

	*n_skipped = g.n_skipped;
	return r;
}
