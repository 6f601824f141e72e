// SPDX-License-Identifier: MIT
#include "collector/uprobes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "collector/uprobe_kernel.h"
#include "helper/process.h"
#include "util/cleanup.h"
#include "util/now.h"

enum job_kind { JOB_ATTACH, JOB_DETACH, JOB_SUPPORT };

/* What the thread has to do, and then has done. It is in one of the two lists, or the thread has
 * it. */
struct job {
	struct job *prev, *next;
	enum job_kind kind;
	struct uprobe_link *link; /* ATTACH, DETACH: it is a part of that */
	bool given_up;		  /* ATTACH: nobody waits for it; changed under the lock */
	int error;
	uint64_t took; /* ns */
	struct uprobe_support support;
	union {
		uprobe_attached attached;
		uprobe_detached detached;
		uprobe_supported supported;
	} done;
	void *userdata;
};

/* The descriptors are the thread's as long as it has one of the jobs. */
struct uprobe_link {
	struct uprobe_link *prev, *next;
	struct uprobes *uprobes;
	struct job attach, detach;
	bool answered;		       /* the job `attach` */
	struct uprobe_request request; /* its descriptors are the link's own */
	size_t room;		       /* descriptors that it may take */
	size_t n_open;
	int *open;
};

struct uprobes {
	sd_event_source *source;
	int wake; /* eventfd: something is done */
	bool runs;
	pthread_t thread;
	struct uprobe_link *links;
	struct uprobes_stats stats;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t asked;
	bool quit;
	struct job *to_do, *done;
};

/* ---- links ---------------------------------------------------------------------------------- */

static void close_all(struct uprobe_link *link)
{
	while (link->n_open)
		helper_close_apart(link->open[--link->n_open]);
}

static void release_request(struct uprobe_link *link)
{
	link->request.program = close_fd(link->request.program);
	link->request.file = close_fd(link->request.file);
	free((void *)link->request.places);
	link->request.places = NULL;
}

static void free_link(struct uprobe_link *link)
{
	struct uprobes *u = link->uprobes;

	close_all(link);
	release_request(link);
	DL_DELETE(u->links, link);
	u->stats.links--;
	u->stats.open -= link->room;
	free(link->open);
	free(link);
}

static bool is_good(const struct uprobe_request *r)
{
	if (!r->n_places || r->n_places > UPROBE_MAX_PLACES ||
		(r->pid <= 0 && r->pid != UPROBE_EVERYWHERE) ||
		(r->way == UPROBE_SESSION && r->at_return))
		return false;
	for (size_t i = 0; i < r->n_places; i++)
		if (r->places[i].counter > UINT32_MAX || r->places[i].counter & 1)
			return false;
	return true;
}

static int dup_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* What the thread needs of the request outlives the call. 0 or -errno. */
static int copy_request(struct uprobe_link *link, const struct uprobe_request *request)
{
	size_t size = request->n_places * sizeof(*request->places);
	struct uprobe_place *places = malloc(size);

	link->request = *request;
	link->request.places = places;
	link->request.program = dup_fd(request->program);
	link->request.file = dup_fd(request->file);
	link->open = calloc(link->room, sizeof(*link->open));
	if (!places || !link->open)
		return -ENOMEM;
	memcpy(places, request->places, size);
	if (link->request.program < 0 || link->request.file < 0)
		return -EMFILE;
	return 0;
}

static int new_link(
	struct uprobes *u, const struct uprobe_request *request, struct uprobe_link **out)
{
	size_t room = request->way == UPROBE_PERF ? request->n_places : 1;
	struct uprobe_link *link;
	int r;

	if (u->stats.open + room > UPROBES_MAX_OPEN)
		return -ENOSPC;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->uprobes = u;
	link->room = room;
	DL_APPEND(u->links, link);
	u->stats.links++;
	u->stats.open += room;
	r = copy_request(link, request);
	if (r)
		free_link(link);
	else
		*out = link;
	return r;
}

/* ---- threads -------------------------------------------------------------------------------- */

/* The loop's signals are not for it. 0 or -errno. */
static int start_thread(pthread_t *thread, void *(*function)(void *), void *userdata)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(thread, NULL, function, userdata);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* For each descriptor that is closed the kernel waits until nobody can be in the program any more.
 * All that wait at the same time wait for the same. */
#define CLOSERS 32

struct closing {
	int *open;
	size_t n, next; /* next: atomic */
};

static void *close_some(void *userdata)
{
	struct closing *c = userdata;
	size_t i;

	while ((i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED)) < c->n)
		helper_close_apart(c->open[i]);
	return NULL;
}

static void close_together(struct closing *c)
{
	pthread_t threads[CLOSERS - 1];
	size_t n = 0;

	while (n < CLOSERS - 1 && n + 1 < c->n && !start_thread(&threads[n], close_some, c))
		n++;
	close_some(c);
	while (n)
		pthread_join(threads[--n], NULL);
}

/* Those of a link are closed here where there is no room for them. */
static void hand_over(struct uprobe_link *link, struct closing *c)
{
	while (c->open && link->n_open)
		c->open[c->n++] = link->open[--link->n_open];
	close_all(link);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* What the thread keeps for itself. */
struct worker {
	struct uprobe_pmu pmu;
	bool tried;
	int error; /* nothing can be attached */
	struct uprobe_support support;
};

static const struct uprobe_support *find_support(struct worker *w)
{
	if (w->tried)
		return &w->support;
	w->error = uprobe_pmu_read(&w->pmu);
	if (!w->error)
		w->error = uprobe_try(&w->pmu, &w->support);
	w->tried = !w->error;
	return &w->support;
}

static bool has_way(const struct uprobe_support *support, enum uprobe_way way)
{
	switch (way) {
	case UPROBE_MULTI:
		return support->multi;
	case UPROBE_SESSION:
		return support->session;
	default:
		return true;
	}
}

static int attach_events(struct worker *w, struct uprobe_link *link)
{
	const struct uprobe_request *r = &link->request;

	for (size_t i = 0; i < r->n_places; i++) {
		int fd = !w->support.cookies && r->places[i].cookie
				 ? -ENOTSUP
				 : uprobe_attach_perf(
					   &w->pmu, r, &r->places[i], w->support.cookies);

		if (fd < 0)
			return fd;
		link->open[link->n_open++] = fd;
	}
	return 0;
}

/* Of the kernel's own errors one gets out: there is an instruction that cannot be probed. */
#define KERNEL_ENOTSUPP 524

static int attach(struct worker *w, struct uprobe_link *link)
{
	const struct uprobe_support *support = find_support(w);
	int r = w->error;

	if (!r && link->request.way == UPROBE_PERF) {
		r = attach_events(w, link);
	} else if (!r) {
		r = uprobe_attach_multi(&link->request);
		if (r >= 0)
			link->open[link->n_open++] = r;
		else if (r == -EINVAL && !has_way(support, link->request.way))
			r = -ENOTSUP; /* that is how a kernel says so */
	}
	if (r < 0)
		close_all(link);
	release_request(link);
	return r == -KERNEL_ENOTSUPP ? -ENOTSUP : r < 0 ? r : 0;
}

static void work_on(struct worker *w, struct job *job, bool given_up)
{
	uint64_t start = now_ns();

	if (job->kind == JOB_ATTACH)
		job->error = given_up ? -ECANCELED : attach(w, job->link);
	else
		job->support = *find_support(w);
	job->took = now_ns() - start;
}

static void detach_all(struct job *jobs)
{
	struct closing c = {0};
	uint64_t start = now_ns();
	size_t n = 0;
	struct job *job;

	DL_FOREACH (jobs, job)
		n += job->link->n_open;
	c.open = calloc(n + 1, sizeof(*c.open));
	DL_FOREACH (jobs, job)
		hand_over(job->link, &c);
	close_together(&c);
	free(c.open);
	jobs->took = now_ns() - start;
}

/* The next job, or links that are to be detached one after the other; NULL: it is over. */
static struct job *take_jobs(struct uprobes *u, bool *given_up)
{
	struct job *jobs = NULL, *job;

	pthread_mutex_lock(&u->lock);
	while (!u->to_do && !u->quit)
		pthread_cond_wait(&u->asked, &u->lock);
	while (!u->quit && (job = u->to_do)) {
		if (jobs && (job->kind != JOB_DETACH || jobs->kind != JOB_DETACH))
			break;
		DL_DELETE(u->to_do, job);
		*given_up = job->given_up;
		DL_APPEND(jobs, job);
	}
	pthread_mutex_unlock(&u->lock);
	return jobs;
}

static void *work(void *userdata)
{
	struct uprobes *u = userdata;
	struct worker w = {0};
	struct job *jobs;
	bool given_up;

	while ((jobs = take_jobs(u, &given_up))) {
		if (jobs->kind == JOB_DETACH)
			detach_all(jobs);
		else
			work_on(&w, jobs, given_up);
		pthread_mutex_lock(&u->lock);
		DL_CONCAT(u->done, jobs);
		pthread_mutex_unlock(&u->lock);
		eventfd_write(u->wake, 1);
	}
	return NULL;
}

/* ---- in the loop ----------------------------------------------------------------------------- */

static void ask(struct uprobes *u, struct job *job)
{
	pthread_mutex_lock(&u->lock);
	DL_APPEND(u->to_do, job);
	pthread_cond_signal(&u->asked);
	pthread_mutex_unlock(&u->lock);
}

static struct job *take_done(struct uprobes *u)
{
	struct job *job;

	pthread_mutex_lock(&u->lock);
	job = u->done;
	if (job)
		DL_DELETE(u->done, job);
	pthread_mutex_unlock(&u->lock);
	return job;
}

/* Who is told of an attached link may give it up at once. */
static void on_attached(struct uprobes *u, struct job *job)
{
	struct uprobe_link *link = job->link;
	int error = job->error;

	u->stats.attach_ns += job->took;
	u->stats.attached += !error;
	u->stats.failed += error && error != -ECANCELED;
	link->answered = true;
	if (job->given_up)
		return;
	job->done.attached(job->userdata, link, error);
	if (error)
		free_link(link);
}

static void on_detached(struct uprobes *u, struct job *job)
{
	uprobe_detached detached = job->done.detached;
	void *userdata = job->userdata;

	u->stats.detach_ns += job->took;
	free_link(job->link);
	if (detached)
		detached(userdata);
}

static void on_support(struct job *job)
{
	job->done.supported(job->userdata, &job->support);
	free(job);
}

static int on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct uprobes *u = userdata;
	struct job *job;
	eventfd_t n;

	eventfd_read(u->wake, &n);
	while ((job = take_done(u)))
		if (job->kind == JOB_ATTACH)
			on_attached(u, job);
		else if (job->kind == JOB_DETACH)
			on_detached(u, job);
		else
			on_support(job);
	return 0;
}

/* ---- the outside ---------------------------------------------------------------------------- */

int uprobes_new(struct uprobes **out, sd_event *event)
{
	struct uprobes *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->asked, NULL);
	u->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = u->wake < 0 ? -errno : sd_event_add_io(event, &u->source, u->wake, EPOLLIN, on_wake, u);
	if (r >= 0)
		r = start_thread(&u->thread, work, u);
	if (r < 0) {
		uprobes_free(u);
		return r;
	}
	u->runs = true;
	*out = u;
	return 0;
}

static void stop_thread(struct uprobes *u)
{
	if (!u->runs)
		return;
	pthread_mutex_lock(&u->lock);
	u->quit = true;
	pthread_cond_signal(&u->asked);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
}

static void forget_jobs(struct job *jobs)
{
	struct job *job, *next;

	DL_FOREACH_SAFE(jobs, job, next)
	if (job->kind == JOB_SUPPORT)
		free(job);
}

static void close_links(struct uprobes *u)
{
	struct closing c = {0};
	struct uprobe_link *link;
	size_t n = 0;

	DL_FOREACH (u->links, link)
		n += link->n_open;
	c.open = calloc(n + 1, sizeof(*c.open));
	DL_FOREACH (u->links, link)
		hand_over(link, &c);
	close_together(&c);
	free(c.open);
}

void uprobes_free(struct uprobes *u)
{
	if (!u)
		return;
	stop_thread(u);
	forget_jobs(u->to_do);
	forget_jobs(u->done);
	close_links(u);
	while (u->links) {
		struct job *job = &u->links->detach;

		/* Whoever waits for the end of a link is owed it; the thread has closed it. */
		if (job->kind == JOB_DETACH && job->done.detached)
			job->done.detached(job->userdata);
		free_link(u->links);
	}
	sd_event_source_disable_unref(u->source);
	close_fd(u->wake);
	pthread_cond_destroy(&u->asked);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

int uprobes_find_support(struct uprobes *u, uprobe_supported done, void *userdata)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->kind = JOB_SUPPORT;
	job->done.supported = done;
	job->userdata = userdata;
	ask(u, job);
	return 0;
}

int uprobes_attach(struct uprobes *u, const struct uprobe_request *request,
	uprobe_attached attached, void *userdata, struct uprobe_link **out)
{
	struct uprobe_link *link;
	int r = is_good(request) ? new_link(u, request, &link) : -EINVAL;

	if (r)
		return r;
	link->attach = (struct job){
		.kind = JOB_ATTACH,
		.link = link,
		.done.attached = attached,
		.userdata = userdata,
	};
	ask(u, &link->attach);
	*out = link;
	return 0;
}

/* The jobs of a link are done in their order. */
void uprobes_detach(struct uprobe_link *link, uprobe_detached detached, void *userdata)
{
	struct uprobes *u = link->uprobes;

	if (!link->answered) {
		pthread_mutex_lock(&u->lock);
		link->attach.given_up = true;
		pthread_mutex_unlock(&u->lock);
	}
	link->detach = (struct job){
		.kind = JOB_DETACH,
		.link = link,
		.done.detached = detached,
		.userdata = userdata,
	};
	ask(u, &link->detach);
}

struct uprobes_stats uprobes_stats(const struct uprobes *u)
{
	return u->stats;
}
