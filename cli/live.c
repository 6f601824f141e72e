// SPDX-License-Identifier: MIT
/*
 * live.c - the daemon is asked for the open window again and again. What is shown is what was
 * counted in the last seconds: the differences between one answer and the next, added up. Samples
 * between the last answer and the end of a window are in its file only.
 */
#include "live.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "json.h"
#include "profile/pprof.h"
#include "profile/select.h"
#include "query.h"
#include "report/functions.h"
#include "screen.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

#define DEFAULT_INTERVAL 2  /* s */
#define DEFAULT_OVER	 30 /* s */
#define PIPE_ROWS	 20
#define HEAD_LINES	 2
#define ANSWER_MS	 120000
/* The start of a window is reckoned anew for each answer, since clocks drift; ns. */
#define SAME_START 500000000

struct live_options {
	struct query query;
	bool live, cum;
	uint64_t interval, over;
	uint32_t frames, rows;
};

static const struct option LIVE_OPTIONS[] = {
	{"live", 0, NULL, OPTION_FLAG, offsetof(struct live_options, live), 0, 0,
		"this: ask the daemon again and again"},
	{"interval", 0, "LENGTH", OPTION_DURATION, offsetof(struct live_options, interval), 0, 0,
		"ask so often (2s)"},
	{"over", 0, "LENGTH", OPTION_DURATION, offsetof(struct live_options, over), 0, 0,
		"show what was counted in so much time (30s)"},
	{"cum", 0, NULL, OPTION_FLAG, offsetof(struct live_options, cum), 0, 0,
		"sort by cumulative value at first"},
	{"nodecount", 0, "N", OPTION_NUMBER, offsetof(struct live_options, rows), 1, INT32_MAX,
		"at most N functions (as many as fit; 20 in a pipe)"},
	{"frames", 0, "N", OPTION_NUMBER, offsetof(struct live_options, frames), 1, UINT32_MAX,
		"end after N tables (never)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Report", LIVE_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct live_options, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct live_options, query.place)},
	{0},
};

static const struct command COMMAND_LIVE = {
	.name = "top",
	.synopsis = "--live [OPTION...]",
	.summary = "Show the functions that cost most now, again and again",
	.details = "Keys: q ends it, f sorts by flat and c by cumulative value.",
	.groups = GROUPS,
};

/* What was counted between two answers. */
struct step {
	struct functions functions;
	double seconds;
};

struct live {
	struct live_options *options;
	struct selection selection;
	struct screen screen;
	/* The last answer. */
	struct functions last;
	int64_t last_start, last_duration;
	bool in_time;	    /* values are nanoseconds: shares of CPUs */
	struct step *steps; /* oldest first */
	size_t n_steps, step_capacity;
	/* The question that has no answer yet. */
	struct client client;
	bool asking;
	uint32_t frames;
};

/* ---- counting ------------------------------------------------------------------------------- */

static void drop_old_steps(struct live *l)
{
	double later = 0;
	size_t n = l->n_steps;

	/* The last ones that are long enough stay. */
	while (n > 0 && later < (double)l->options->over)
		later += l->steps[--n].seconds;
	for (size_t i = 0; i < n; i++)
		functions_free(&l->steps[i].functions);
	memmove(l->steps, l->steps + n, (l->n_steps - n) * sizeof(*l->steps));
	l->n_steps -= n;
}

/* Takes over `now`. */
static int add_step(struct live *l, struct functions *now, int64_t start, int64_t duration)
{
	bool same_window = llabs(start - l->last_start) < SAME_START &&
			   duration >= l->last_duration;
	struct step step = {
		.seconds = (double)(duration - (same_window ? l->last_duration : 0)) / 1e9};
	int err = grow(l->steps, l->n_steps, l->step_capacity, 1);

	if (!err)
		err = functions_add(&step.functions, now, 1);
	if (!err && same_window)
		err = functions_add(&step.functions, &l->last, -1);
	functions_free(&l->last);
	l->last = *now;
	l->last_start = start;
	l->last_duration = duration;
	if (err) {
		functions_free(&step.functions);
		return err;
	}
	l->steps[l->n_steps++] = step;
	drop_old_steps(l);
	return 0;
}

static int count(struct live *l, const struct profile *p)
{
	struct functions now = {0};
	size_t type;
	int err = query_sample_index(&COMMAND_LIVE, &l->options->query, p, &type);

	if (err)
		return err;
	l->in_time = !strcmp(profile_text(p, p->sample_types[type].unit), "nanoseconds");
	err = functions_count(&now, p, type);
	if (err) {
		functions_free(&now);
		return err;
	}
	return add_step(l, &now, p->time_nanos, p->duration_nanos);
}

static int take_profile(struct live *l, int fd)
{
	struct profile *all = NULL, *some = NULL;
	char why[512] = "";
	int err = pprof_read(&all, fd, "the open window", why, sizeof(why));

	if (!err && !selection_is_empty(&l->selection))
		err = profile_select(&some, all, &l->selection);
	if (!err)
		err = count(l, some ? some : all);
	profile_free(some);
	profile_free(all);
	if (err && err != -EINVAL && err != -ENODATA) {
		screen_end(&l->screen);
		log_error("%s", *why ? why : strerror(-err));
	}
	return err;
}

/* ---- showing -------------------------------------------------------------------------------- */

struct by {
	bool cum;
};

static int compare_costs(const void *a, const void *b, void *userdata)
{
	const struct function_cost *x = a, *y = b;
	bool cum = ((const struct by *)userdata)->cum;
	double first = cum ? x->cum.value : x->flat.value;
	double second = cum ? y->cum.value : y->flat.value;

	if (first != second)
		return first > second ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int add_up(const struct live *l, struct functions *sum, double *seconds)
{
	int err = 0;

	*seconds = 0;
	for (size_t i = 0; i < l->n_steps && !err; i++) {
		err = functions_add(sum, &l->steps[i].functions, 1);
		*seconds += l->steps[i].seconds;
	}
	return err;
}

/* In CPUs, or a second. */
static double per_second(const struct live *l, double value, double seconds)
{
	return seconds > 0 ? value / seconds / (l->in_time ? 1e9 : 1) : 0;
}

static void print_head(const struct live *l, const struct functions *sum, double seconds, FILE *out)
{
	time_t now = time(NULL);
	char clock[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(out, "profctl top, %s: the last %.0f s, %.2f %s%s\n", clock, seconds,
		per_second(l, sum->total.value, seconds), l->in_time ? "CPUs" : "a second",
		l->screen.has_keys ? "   q: quit, f: flat, c: cum" : "");
	fprintf(out, "%9s %6s %9s %6s  %s\n", l->options->cum ? "flat" : "flat*", "flat%",
		l->options->cum ? "cum*" : "cum", "cum%",
		l->in_time ? "function (flat, cum: in CPUs)" : "function (a second)");
}

static double share(double value, double total)
{
	return total > 0 ? 100 * value / total : 0;
}

static void print_rows(
	const struct live *l, struct functions *sum, double seconds, size_t rows, FILE *out)
{
	struct by by = {l->options->cum};
	double total = sum->total.value;

	if (sum->n)
		qsort_r(sum->items, sum->n, sizeof(*sum->items), compare_costs, &by);
	for (size_t i = 0; i < sum->n && i < rows; i++) {
		const struct function_cost *c = &sum->items[i];
		/* What was counted once is over, and leaves nothing. */
		if (c->cum.value <= 0)
			continue;
		fprintf(out, "%9.3f %5.1f%% %9.3f %5.1f%%  %s\n",
			per_second(l, c->flat.value, seconds), share(c->flat.value, total),
			per_second(l, c->cum.value, seconds), share(c->cum.value, total),
			functions_name(sum, c));
	}
}

static size_t count_rows(const struct live *l)
{
	unsigned lines = screen_lines(&l->screen);
	size_t fit = lines > HEAD_LINES ? lines - HEAD_LINES : lines ? 0 : PIPE_ROWS;

	if (l->options->rows && (!lines || l->options->rows < fit))
		return l->options->rows;
	return fit;
}

static int draw(struct live *l)
{
	_cleanup_free_ char *text = NULL;
	struct functions sum = {0};
	double seconds;
	size_t size;
	int err = add_up(l, &sum, &seconds);
	FILE *out = err ? NULL : open_memstream(&text, &size);

	if (out) {
		print_head(l, &sum, seconds, out);
		print_rows(l, &sum, seconds, count_rows(l), out);
		/* In a pipe the next table follows. */
		if (!l->screen.is_terminal)
			fputc('\n', out);
		if (!fclose(out))
			screen_draw(&l->screen, text);
	}
	functions_free(&sum);
	return out ? 0 : -ENOMEM;
}

/* ---- asking --------------------------------------------------------------------------------- */

static void stop_asking(struct live *l)
{
	if (l->asking)
		client_close(&l->client);
	l->asking = false;
}

static int ask(struct live *l)
{
	const char *type = l->options->query.type ? l->options->query.type : "cpu";
	int err = client_open(&l->client, l->options->query.place.socket);

	if (err) {
		screen_end(&l->screen);
		client_explain(err, l->options->query.place.socket, false);
		return err;
	}
	l->asking = true;
	cJSON *request = client_request("window");
	if (request)
		cJSON_AddStringToObject(request, "type", type);
	return client_send(&l->client, request);
}

static int fail(struct live *l, const char *what, int err)
{
	screen_end(&l->screen);
	log_error("%s: %s", what, strerror(-err));
	return err;
}

/* When the daemon said something. 1: it was the answer. */
static int take_answer(struct live *l)
{
	_cleanup_json_ cJSON *answer = NULL;
	int got = wire_receive(&l->client.wire, &answer);

	if (got <= 0)
		return got ? fail(l, "profd does not answer any more", got) : 0;
	_cleanup_close_ int fd = wire_take_fd(&l->client.wire);
	stop_asking(l);
	if (!json_true(answer, "ok") || fd < 0) {
		screen_end(&l->screen);
		client_refused(answer);
		return -EREMOTEIO;
	}
	int err = take_profile(l, fd);
	return err ? err : 1;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False: to quit. */
static bool obey(struct live *l, int key, bool *redraw)
{
	switch (key) {
	case -1:
	case 'q':
	case 'Q':
		return false;
	case 'f':
	case 'c':
		l->options->cum = key == 'c';
		*redraw = true;
		return true;
	default:
		return true;
	}
}

/* Waits for what comes first, and sees to it. 1 to quit, 0, or -errno. */
static int wait_and_see(struct live *l, int64_t until, bool *answered)
{
	struct pollfd p[] = {
		{.fd = l->screen.signals, .events = POLLIN},
		{.fd = l->screen.has_keys ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = l->asking ? l->client.fd : -1, .events = POLLIN},
	};
	int64_t left = until - now_ms();
	bool redraw = false;

	if (poll(p, 3, left > 0 ? (int)left : 0) < 0)
		return errno == EINTR ? 0 : fail(l, "cannot wait", -errno);
	if (p[0].revents) {
		enum screen_event event = screen_signal(&l->screen);
		if (event == SCREEN_QUIT)
			return 1;
		redraw = event == SCREEN_REDRAW;
	}
	if (p[1].revents && !obey(l, screen_key(), &redraw))
		return 1;
	if (p[2].revents) {
		int got = take_answer(l);
		if (got < 0)
			return got;
		*answered = got;
		redraw |= got;
	}
	return redraw && l->n_steps ? draw(l) : 0;
}

static int64_t interval_ms(const struct live *l)
{
	uint64_t seconds = l->options->interval;
	return seconds > 86400 ? 86400000 : (int64_t)seconds * 1000;
}

static int loop(struct live *l)
{
	int64_t next = now_ms(), patience = 0;
	int err = 0;

	while (!err) {
		bool answered = false;
		if (!l->asking && now_ms() >= next) {
			err = ask(l);
			next = now_ms() + interval_ms(l);
			patience = now_ms() + ANSWER_MS;
		}
		if (!err)
			err = wait_and_see(l, l->asking ? patience : next, &answered);
		if (answered && ++l->frames == l->options->frames)
			return 0;
		if (!err && l->asking && now_ms() >= patience)
			err = fail(l, "profd does not answer", -ETIMEDOUT);
	}
	return err;
}

static void free_all(struct live *l)
{
	stop_asking(l);
	functions_free(&l->last);
	for (size_t i = 0; i < l->n_steps; i++)
		functions_free(&l->steps[i].functions);
	free(l->steps);
	selection_free(&l->selection);
}

static int run(struct live_options *options)
{
	struct live l = {.options = options};
	int err = query_selection(&COMMAND_LIVE, &options->query, &l.selection);

	if (!err) {
		err = screen_begin(&l.screen);
		if (!err)
			err = loop(&l);
		screen_end(&l.screen);
	}
	free_all(&l);
	return err > 0 ? 0 : query_exit(err, 0);
}

bool live_is_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--live") || !strcmp(argv[i], "-live"))
			return true;
	return false;
}

int live_run(int argc, char **argv)
{
	struct live_options o = {
		.query.place = place_default(), .interval = DEFAULT_INTERVAL, .over = DEFAULT_OVER};
	struct operands files;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_LIVE, argc, argv, &o, &files);
	if (parsed == OPTIONS_OK && files.n)
		code = command_usage(&COMMAND_LIVE, "--live asks the daemon, and reads no files");
	else if (parsed == OPTIONS_OK)
		code = run(&o);
	query_free(&o.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}
