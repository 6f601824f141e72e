/* SPDX-License-Identifier: MIT */
#include "collector/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "collector/helper_client.h"
#include "collector/symbol_cache.h"
#include "symbolizer/names_cache.h"
#include "symbols/answer.h"
#include "symbols/build_id.h"
#include "util/cache_folder.h"
#include "util/cleanup.h"
#include "util/log.h"

#define US_PER_SECOND	 1000000ULL
#define OPENING_PATIENCE (5 * US_PER_SECOND) /* for a file that the opener still opens */
#define ANSWER_PATIENCE	 (60 * US_PER_SECOND)
/* So long names are believed without a look whether a debug file has come since. */
#define LOOK_AGAIN (600 * US_PER_SECOND)

/* A module lacks its own debug file, or the one that this shares with others. */
#define MAX_LACKED 2

struct request {
	struct request *next;
	struct module *module; /* a reference */
	struct module *file;   /* the same, or the one that was opened before: has the names */
	uint64_t *offsets;
	size_t n;
	uint64_t until;	   /* see symbolizer_resolve_until() */
	uint64_t *missing; /* those that were not in the table; the first n_done are now */
	size_t n_missing, n_done, n_asked;
	bool counted, renewed; /* renewed: all names were asked for again */
	struct module_waiter waiter;
	bool waited; /* for the file, long enough */
	symbols_done done;
	void *userdata;
};

enum state {
	STATE_IDLE,    /* nothing is asked */
	STATE_OPENING, /* the module's file is not open yet */
	STATE_ASKED,   /* the symbolizer works for the first request */
};

struct symbolizer {
	sd_event *event;
	struct helper_client helper;
	sd_event_source *patience; /* with a file that is being opened */
	enum state state;
	struct request *first, **end; /* served in this order */
	bool serving;		      /* guards against recursion through callbacks */
	bool closing;
	bool renew; /* the helper has files open whose debug files have come since */
	/* Build-ids for which there is no file, of the question that is asked. */
	char lacked[MAX_LACKED][BUILD_ID_MAX_HEX + 1];
	size_t n_lacked;
	symbols_lacked on_lacked;
	void *lacked_userdata;
	struct symbol_cache cache;
	struct cache_folder *disk;	 /* NULL: none */
	struct cache_folder_file cached; /* of the first request, while it is asked */
	struct symbolizer_stats stats;
	struct troubles troubles;
};

static void serve(struct symbolizer *s);

/* ---- requests ------------------------------------------------------------------------------- */

static void free_request(struct request *r)
{
	module_unref(r->module);
	free(r->offsets);
	free(r->missing);
	free(r);
}

/* Hands over what is known, for better or worse, and forgets the first request. */
static void finish(struct symbolizer *s, int error)
{
	static const struct symbol_table nothing;
	struct request *r = s->first;
	const struct symbol_table *t = symbol_cache_find(r->file);
	_cleanup_free_ struct symbol_address *addresses = calloc(r->n + 1, sizeof(*addresses));
	struct symbols view = {0};

	cache_folder_close(s->disk, &s->cached);
	s->state = STATE_IDLE;
	s->first = r->next;
	if (!s->first)
		s->end = &s->first;
	if (addresses)
		view = symbol_table_view(t ? t : &nothing, r->offsets, r->n, addresses);
	r->done(r->userdata, r->module, addresses ? error : -ENOMEM, &view);
	free_request(r);
	symbol_cache_evict(&s->cache);
}

/* The offsets that the table does not know. 0 or -ENOMEM. */
static int find_missing(struct symbolizer *s, struct request *r, const struct symbol_table *t)
{
	if (!r->missing)
		r->missing = calloc(r->n + 1, sizeof(*r->missing));
	if (!r->missing)
		return -ENOMEM;
	r->n_missing = r->n_done = 0;
	for (size_t i = 0; i < r->n; i++)
		if (!symbol_table_has(t, r->offsets[i]))
			r->missing[r->n_missing++] = r->offsets[i];
	if (!r->counted) {
		s->stats.requests++;
		s->stats.addresses += r->n;
		s->stats.cache_hits += r->n - r->n_missing;
		r->counted = true;
	}
	return 0;
}

static enum symbolizer_kind kind_of(const struct module *m)
{
	return m->kind == MODULE_KERNEL	    ? SYMBOLIZER_KALLSYMS
	       : m->kind == MODULE_PERF_MAP ? SYMBOLIZER_JIT
					    : SYMBOLIZER_ELF;
}

static void warn_of_cache(int error)
{
	static struct log_limit limit = {.seconds = 60};

	if (log_allowed(&limit))
		log_warning("names are not cached, and looked up again when profd starts: %s",
			strerror(-error));
}

/* Of other kinds there is nothing that would still be right another time. */
static void open_cached(struct symbolizer *s, const struct module *m, enum symbol_trust trust)
{
	struct file_identity identity = module_identity(m);
	int error;

	cache_folder_close(s->disk, &s->cached);
	if (!s->disk || m->kind != MODULE_FILE || trust != SYMBOL_TRUST_FULL)
		return;
	error = cache_folder_open(s->disk, &identity, &s->cached);
	if (error)
		warn_of_cache(error);
}

/* The kernel's notes, which have its build-id; -1: it is another module. The caller's. */
static int open_notes(const struct module *m)
{
	return m->kind == MODULE_KERNEL ? open(SYMBOLIZER_NOTES, O_RDONLY | O_CLOEXEC) : -1;
}

/* Asks for the next offsets that are missing. 0 or -errno. */
static int ask(struct symbolizer *s, struct request *r, enum symbol_trust trust)
{
	struct symbolizer_request header = {kind_of(r->file), trust != SYMBOL_TRUST_FULL, r->until};
	size_t bytes;
	_cleanup_free_ char *message = NULL;
	int error;

	r->n_asked = r->n_missing - r->n_done;
	if (r->n_asked > SYMBOLIZER_MAX_OFFSETS)
		r->n_asked = SYMBOLIZER_MAX_OFFSETS;
	bytes = r->n_asked * sizeof(*r->missing);
	message = malloc(sizeof(header) + bytes);
	if (!message)
		return -ENOMEM;
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), r->missing + r->n_done, bytes);
	s->n_lacked = 0;
	open_cached(s, r->file, trust);
	_cleanup_close_ int notes = open_notes(r->file);

	error = helper_client_ask(&s->helper, message, sizeof(header) + bytes, r->file,
		notes >= 0 ? notes : s->cached.fd);
	if (!error)
		s->state = STATE_ASKED;
	return error;
}

static void on_settled(void *userdata, struct module *m)
{
	struct symbolizer *s = userdata;

	sd_event_source_set_enabled(s->patience, SD_EVENT_OFF);
	s->state = STATE_IDLE;
	serve(s);
}

/* Waits for a file that is on its way; false when it has waited enough. */
static bool wait_for_file(struct symbolizer *s, struct request *r)
{
	uint64_t now;

	if (r->module->state != MODULE_OPENING || r->waited)
		return false;
	r->waited = true;
	r->waiter = (struct module_waiter){.settled = on_settled, .userdata = s};
	module_wait(r->module, &r->waiter);
	s->state = STATE_OPENING;
	if (sd_event_now(s->event, CLOCK_MONOTONIC, &now) >= 0) {
		sd_event_source_set_time(s->patience, now + OPENING_PATIENCE);
		sd_event_source_set_enabled(s->patience, SD_EVENT_ONESHOT);
	}
	return true;
}

/* Whether it is time to ask the helper, which knows the debug files that names came from. */
static bool is_due(
	const struct symbolizer *s, const struct request *r, const struct symbol_table *t)
{
	uint64_t now;

	return s->disk && r->file->kind == MODULE_FILE && r->file->fd >= 0 &&
	       t->trust == SYMBOL_TRUST_FULL &&
	       sd_event_now(s->event, CLOCK_MONOTONIC, &now) >= 0 && now - t->looked > LOOK_AGAIN;
}

/* Brings the first request as far as it goes without waiting. True if it is finished. */
static bool advance(struct symbolizer *s)
{
	struct request *r = s->first;
	struct symbol_table *t;
	int error;

	if (wait_for_file(s, r))
		return false;
	r->file = r->module->same ? r->module->same : r->module;
	t = symbol_cache_use(&s->cache, r->file);
	if (t)
		symbol_table_at(t, r->until);
	error = t ? find_missing(s, r, t) : -ENOMEM;
	if (!error && !r->n_missing && !is_due(s, r, t)) {
		finish(s, t->error);
		return true;
	}
	if (!error && r->file->state == MODULE_FAILED)
		error = r->file->error ? r->file->error : -ENOENT;
	else if (!error && (r->file->fd < 0 || r->file->kind == MODULE_ANON))
		error = -ENOENT;
	else if (!error && t->trust == SYMBOL_TRUST_NONE)
		error = -EBADMSG;
	if (!error)
		error = ask(s, r, t->trust);
	if (!error)
		return false;
	finish(s, error);
	return true;
}

/* A helper that knows a file without its debug file ends; the next one looks again. */
static void let_go(struct symbolizer *s)
{
	if (s->renew)
		helper_client_idle(&s->helper);
	s->renew = false;
}

/* Serves requests until one has to wait. Callbacks that ask for more only queue it. */
static void serve(struct symbolizer *s)
{
	if (s->serving)
		return;
	s->serving = true;
	if (s->state == STATE_IDLE)
		let_go(s);
	while (s->first && s->state == STATE_IDLE && !s->closing)
		advance(s);
	s->serving = false;
}

/* It has been opened for long enough: names come without it. */
static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct symbolizer *s = userdata;

	if (s->state == STATE_OPENING) {
		module_wait_no_more(s->first->module, &s->first->waiter);
		s->state = STATE_IDLE;
		serve(s);
	}
	return 0;
}

/* ---- answers -------------------------------------------------------------------------------- */

static const enum trouble TROUBLE_OF[] = {
	[HELPER_DIED] = TROUBLE_CRASH,
	[HELPER_WAS_SLOW] = TROUBLE_TIME,
	[HELPER_SPOKE_NONSENSE] = TROUBLE_ANSWER,
	[HELPER_LACKED_MEMORY] = TROUBLE_MEMORY,
	[HELPER_LACKED_ROOM] = TROUBLE_ROOM,
};

/* The symbolizer failed at the first request: what it failed at is not tried again. An ELF file
 * gets a second chance with its symbol tables only, and the kernel one without its debug file: all
 * its names come anew, so that they are not half with lines and half without. */
static void on_failure(void *userdata, enum helper_failure failure, const char *how)
{
	static struct log_limit limit = {.seconds = 10};
	struct symbolizer *s = userdata;
	const struct module *m = s->first->file;
	const struct symbol_table *t = symbol_cache_find(m);
	bool again = false;

	s->state = STATE_IDLE;
	if (t) {
		bool first = t->trust == SYMBOL_TRUST_FULL, is_kernel = m->kind == MODULE_KERNEL;

		s->stats.bad_modules += first && !is_kernel;
		again = first && (is_kernel || kind_of(m) == SYMBOLIZER_ELF);
		symbol_cache_distrust(&s->cache, m,
			again || is_kernel ? SYMBOL_TRUST_SYMBOLS : SYMBOL_TRUST_NONE);
		if (again && is_kernel)
			symbol_table_clear(symbol_cache_find(m));
	}
	troubles_add(&s->troubles, m, TROUBLE_OF[failure],
		again ? TROUBLE_REST_SYMBOLS : TROUBLE_REST_NONE);
	if (log_allowed(&limit))
		log_warning("symbolizer %s at %s: %s", how,
			m->kind == MODULE_KERNEL ? "the kernel"
			: m->path		 ? m->path
						 : "a module",
			again ? "from now on only its symbol table is used" : "it gets no names");
	if (!again) {
		s->serving = true;
		finish(s, -EIO);
		s->serving = false;
	}
	serve(s);
}

static void note(
	struct symbolizer *s, const struct request *r, const struct symbolizer_answer *head)
{
	s->stats.disk_hits += head->n_cached;
	s->stats.files_read += r->file->kind == MODULE_FILE && head->n_cached < head->n_addresses;
	if (head->cache_error)
		warn_of_cache(head->cache_error);
	if (head->error == -E2BIG)
		troubles_add(&s->troubles, r->file, TROUBLE_SIZE, TROUBLE_REST_MOST);
	if (head->flags & SYMBOLIZER_CUTS_INLINES)
		troubles_add(&s->troubles, r->file, TROUBLE_INLINES, TROUBLE_REST_MOST);
	if (head->flags & SYMBOLIZER_CUTS_NAMES)
		troubles_add(&s->troubles, r->file, TROUBLE_NAME_LENGTH, TROUBLE_REST_MOST);
	if (head->flags & SYMBOLIZER_LACKS_DWARF)
		troubles_add(&s->troubles, r->file,
			head->flags & SYMBOLIZER_LACKS_ROOM ? TROUBLE_ROOM : TROUBLE_DEBUG_INFO,
			TROUBLE_REST_SYMBOLS);
	if (head->flags & SYMBOLIZER_LACKS_DEBUGDATA)
		troubles_add(&s->troubles, r->file, TROUBLE_DEBUGDATA, TROUBLE_REST_SYMBOLS);
	if (head->flags & SYMBOLIZER_BAD_SPLIT)
		troubles_add(&s->troubles, r->file, TROUBLE_SPLIT, TROUBLE_REST_LINES);
}

/* The kernel's debug file has come, or has gone: its names would be a mixture. */
static bool is_other_kernel(const struct symbol_table *t, const struct symbolizer_answer *head)
{
	uint32_t before = t->flags, now = head->flags;

	return (before & SYMBOLIZER_LACKS_KERNEL && now & SYMBOLIZER_SEES_DEBUG_DWARF) ||
	       (before & SYMBOLIZER_SEES_DEBUG_DWARF && now & SYMBOLIZER_LACKS_KERNEL);
}

/* Other debug files are there than when the first names of a module were asked for: all are asked
 * for again, once. */
static bool have_changed(struct symbolizer *s, struct request *r, struct symbol_table *t,
	const struct symbolizer_answer *head)
{
	bool others = head->flags & SYMBOLIZER_HAS_CHANGED || is_other_kernel(t, head);

	if (!others || r->renewed || !t->n_addresses)
		return false;
	r->renewed = true;
	symbol_table_clear(t);
	return !find_missing(s, r, t);
}

static int take(struct request *r, struct symbol_table *t, const struct symbol_answer *answer)
{
	int error = symbol_table_add(t, answer, r->missing + r->n_done);

	r->n_done += r->n_asked;
	return error ? error : answer->head->error;
}

static void note_lacked(void *userdata, const char *build_id)
{
	struct symbolizer *s = userdata;

	if (s->n_lacked < MAX_LACKED)
		snprintf(s->lacked[s->n_lacked++], sizeof(*s->lacked), "%s", build_id);
}

static void tell_lacked(struct symbolizer *s, const char *of)
{
	for (size_t i = 0; s->on_lacked && i < s->n_lacked; i++)
		s->on_lacked(s->lacked_userdata, s->lacked[i], of);
	s->n_lacked = 0;
}

/* All is answered, but what was known before was forgotten meanwhile: a debug file has come, or
 * code of the kernel has gone. It is asked for again, once. */
static bool has_lost_some(struct symbolizer *s, struct request *r, const struct symbol_table *t)
{
	if (r->renewed || r->n_done < r->n_missing || find_missing(s, r, t) || !r->n_missing)
		return false;
	r->renewed = true;
	return true;
}

static int on_answer(void *userdata, const void *data, size_t size)
{
	struct symbolizer *s = userdata;
	struct request *r = s->first;
	struct symbol_table *t = symbol_cache_find(r->file);
	struct symbol_answer answer;
	int error;

	if (!t || symbol_answer_check(&answer, data, size, r->n_asked))
		return -EBADMSG;
	if (answer.head->error == -ENOMEM && r->n_asked && t->trust == SYMBOL_TRUST_FULL)
		return answer.head->flags & SYMBOLIZER_LACKS_ROOM ? -ENOSPC : -ENOMEM;
	s->state = STATE_IDLE;
	s->serving = true;
	note(s, r, answer.head);
	tell_lacked(s, answer.head->build_id);
	sd_event_now(s->event, CLOCK_MONOTONIC, &t->looked);
	error = have_changed(s, r, t, answer.head) ? 0 : take(r, t, &answer);
	if (!error && (r->n_done < r->n_missing || has_lost_some(s, r, t)))
		error = ask(s, r, t->trust);
	if (s->state == STATE_IDLE)
		finish(s, error);
	s->serving = false;
	serve(s);
	return 0;
}

/* ---- the outside ---------------------------------------------------------------------------- */

static void use_disk(struct symbolizer *s, const char *cache)
{
	static const struct cache_folder_options options = {
		.name = NAMES_CACHE_FOLDER,
		.version = NAMES_CACHE_VERSION,
		.max_bytes = NAMES_CACHE_FOLDER_BYTES,
		.max_file = NAMES_CACHE_MAX,
	};
	int error = cache_folder_new(&s->disk, cache, &options);

	if (error)
		warn_of_cache(error);
}

int symbolizer_new(struct symbolizer **out, sd_event *event, struct opener *opener,
	uint64_t memory_limit, const char *cache)
{
	struct symbolizer *s = calloc(1, sizeof(*s));
	struct helper_client_options options = {
		.name = "symbolizer",
		.memory_limit = memory_limit,
		.max_answer = SYMBOLIZER_MAX_ANSWER,
		.patience = ANSWER_PATIENCE,
		.scratch = cache,
		.on_answer = on_answer,
		.on_lacked = note_lacked,
		.on_failure = on_failure,
		.userdata = s,
	};
	int r;

	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(event);
	s->end = &s->first;
	s->cached.fd = -1;
	r = helper_client_init(&s->helper, event, opener, &options);
	if (r >= 0)
		r = sd_event_add_time(
			event, &s->patience, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_patience, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->patience, SD_EVENT_OFF);
	if (r < 0) {
		symbolizer_free(s);
		return r;
	}
	if (cache)
		use_disk(s, cache);
	*out = s;
	return 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	s->closing = true;
	helper_client_close(&s->helper);
	if (s->state == STATE_OPENING)
		module_wait_no_more(s->first->module, &s->first->waiter);
	while (s->first)
		finish(s, -ECANCELED);
	symbol_cache_free(&s->cache);
	cache_folder_free(s->disk);
	troubles_free(&s->troubles);
	sd_event_source_disable_unref(s->patience);
	sd_event_unref(s->event);
	free(s);
}

int symbolizer_resolve_until(struct symbolizer *s, struct module *module, const uint64_t *offsets,
	size_t n, uint64_t until, symbols_done done, void *userdata)
{
	struct request *r;

	if (s->closing)
		return -ECANCELED;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->offsets = calloc(n + 1, sizeof(*r->offsets));
	if (!r->offsets) {
		free(r);
		return -ENOMEM;
	}
	memcpy(r->offsets, offsets, n * sizeof(*offsets));
	r->n = n;
	r->until = until;
	r->module = r->file = module_ref(module);
	r->done = done;
	r->userdata = userdata;
	*s->end = r;
	s->end = &r->next;
	serve(s);
	return 0;
}

void symbolizer_on_lacked(struct symbolizer *s, symbols_lacked lacked, void *userdata)
{
	s->on_lacked = lacked;
	s->lacked_userdata = userdata;
}

void symbolizer_renew(struct symbolizer *s, const char *build_id)
{
	symbol_cache_renew(&s->cache, build_id);
	s->renew = true;
	if (!s->first && !s->serving)
		let_go(s);
}

void symbolizer_forget_kernel(struct symbolizer *s, uint64_t address, uint64_t length)
{
	uint64_t to = length > UINT64_MAX - address ? UINT64_MAX : address + length;

	symbol_cache_forget_kernel(&s->cache, address, to);
}

void symbolizer_idle(struct symbolizer *s)
{
	if (!s->first && !s->serving)
		helper_client_idle(&s->helper);
}

const struct troubles *symbolizer_troubles(const struct symbolizer *s)
{
	return &s->troubles;
}

struct symbolizer_stats symbolizer_stats(const struct symbolizer *s)
{
	struct symbolizer_stats stats = s->stats;

	stats.crashes = s->helper.stats.crashes;
	stats.timeouts = s->helper.stats.timeouts;
	stats.refused_answers = s->helper.stats.refused_answers;
	stats.seccomp = s->helper.stats.seccomp;
	stats.cache_bytes = symbol_cache_bytes(&s->cache);
	return stats;
}
