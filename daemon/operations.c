// SPDX-License-Identifier: MIT
/* operations.c - what each "op" of profd/control.h does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

#include "access.h"
#include "connection.h"
#include "request.h"
#include "store/store.h"
#include "util/cleanup.h"
#include "util/log.h"

#define USEC_PER_SECOND 1000000ULL
#define HINT_FULL	"run as root, or join the group profd"
#define HINT_TYPES	"profctl status lists the sessions of kind continuous"
#define HINT_LOG	"the daemon's log says more: journalctl -u profd"
/* Keeps the list well below CONTROL_MAX_MESSAGE. */
#define RECORDS_LISTED 500

static cJSON *make_ok(void)
{
	cJSON *message = cJSON_CreateObject();
	if (cJSON_AddTrueToObject(message, "ok"))
		return message;
	cJSON_Delete(message);
	return NULL;
}

/* cJSON's adders return NULL for a parent of NULL, so a failure only has to be seen at the end:
 * `whole` is the conjunction of what they returned. */
static cJSON *if_whole(cJSON *message, bool whole)
{
	if (whole)
		return message;
	cJSON_Delete(message);
	return NULL;
}

static void refuse_errno(struct connection *c, const char *what, int err, const char *hint)
{
	char error[256];

	snprintf(error, sizeof(error), "%s: %s", what, strerror(-err));
	connection_refuse(c, error, hint);
}

static const char *text_of(const cJSON *message, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, key));
	return text ? text : "";
}

/* ---- status ------------------------------------------------------------------------------- */

static void run_status(struct connection *c, const cJSON *request)
{
	cJSON *answer = make_ok();
	cJSON *status = collector_status(c->control->collector);
	cJSON *privileges = privileges_status(c->control->privileges);

	bool whole = privileges && cJSON_AddItemToObject(status, "privileges", privileges);
	if (!whole)
		cJSON_Delete(privileges);
	if (!cJSON_AddItemToObject(answer, "status", status)) {
		cJSON_Delete(status);
		whole = false;
	}
	connection_send(c, if_whole(answer, whole), -1);
}

/* ---- record, stop ------------------------------------------------------------------------- */

static cJSON *make_done(const struct recording_result *result)
{
	cJSON *message = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(message, "event", "done") &&
		     cJSON_AddStringToObject(
			     message, "reason", recording_reason_text(result->reason)) &&
		     cJSON_AddNumberToObject(message, "elapsed", result->elapsed) &&
		     cJSON_AddNumberToObject(message, "samples", (double)result->samples) &&
		     cJSON_AddNumberToObject(message, "lost", (double)result->lost);
	if (result->type == SESSION_HEAP)
		whole = whole && cJSON_AddNumberToObject(message, "calls", (double)result->calls) &&
			cJSON_AddNumberToObject(message, "cost", result->cost) &&
			cJSON_AddBoolToObject(message, "unseen", result->unseen);
	cJSON *files = cJSON_AddArrayToObject(message, "files");
	cJSON *warnings = cJSON_AddArrayToObject(message, "warnings");
	cJSON *file = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(files, file)) {
		cJSON_Delete(file);
		file = NULL;
	}
	whole = whole && warnings &&
		cJSON_AddStringToObject(file, "type", session_type_name(result->type)) &&
		cJSON_AddStringToObject(file, "path", result->path);
	if (*result->message)
		cJSON_AddItemToArray(warnings, cJSON_CreateString(result->message));
	if (*result->trouble)
		cJSON_AddItemToArray(warnings, cJSON_CreateString(result->trouble));
	return if_whole(message, whole);
}

static cJSON *make_failed(const char *error)
{
	cJSON *message = cJSON_CreateObject();
	return if_whole(message, cJSON_AddStringToObject(message, "event", "failed") &&
					 cJSON_AddStringToObject(message, "error", error) &&
					 cJSON_AddStringToObject(message, "hint", HINT_LOG));
}

static void on_recorded(void *userdata, const struct recording_result *result)
{
	struct connection *c = userdata;

	c->recording = NULL;
	c->progress = sd_event_source_disable_unref(c->progress);
	control_forget_listing(c->control);
	if (c->fd < 0) {
		close_fd(result->fd);
		connection_free(c);
		return;
	}
	if (result->error) {
		close_fd(result->fd);
		connection_send(c,
			make_failed(*result->message ? result->message : strerror(-result->error)),
			-1);
	} else {
		connection_send(c, make_done(result), result->fd);
	}
	connection_settle(c);
}

static int on_progress(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection *c = userdata;
	cJSON *message = cJSON_CreateObject();
	uint64_t samples, lost;
	double elapsed;

	recording_progress(c->recording, &elapsed, &samples, &lost);
	connection_send_news(
		c, if_whole(message,
			   cJSON_AddStringToObject(message, "event", "progress") &&
				   cJSON_AddNumberToObject(message, "elapsed", elapsed) &&
				   cJSON_AddNumberToObject(message, "samples", (double)samples) &&
				   cJSON_AddNumberToObject(message, "lost", (double)lost)));
	if (sd_event_source_set_time_relative(source, USEC_PER_SECOND) >= 0)
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	connection_settle(c);
	return 0;
}

/* Why a user without full rights cannot begin a recording now, or NULL. */
static const char *find_limit(struct control *control, uid_t uid)
{
	const struct connection *c;
	uint64_t now = 0;
	unsigned running = 0, own = 0;

	DL_FOREACH (control->connections, c) {
		running += c->recording && !c->peer.full;
		own += c->recording && c->peer.uid == uid;
	}
	if (own >= CONTROL_MAX_OWN_RECORDINGS)
		return "you record as much as is allowed already";
	if (running >= CONTROL_MAX_OTHERS_RECORDINGS)
		return "other users record as much as is allowed already";
	sd_event_now(control->event, CLOCK_MONOTONIC, &now);
	uint64_t begin = control->others_begin > now ? control->others_begin : now;
	if (begin - now > (CONTROL_OTHERS_BURST - 1) * USEC_PER_SECOND)
		return "other users begin recordings as often as is allowed already";
	control->others_begin = begin + USEC_PER_SECOND;
	return NULL;
}

/* Sampling has begun. */
static void announce(struct connection *c)
{
	cJSON *message = make_ok();
	uint32_t session = recording_session(c->recording);
	int err = sd_event_add_time_relative(c->control->event, &c->progress, CLOCK_MONOTONIC,
		USEC_PER_SECOND, USEC_PER_SECOND / 10, on_progress, c);

	if (err < 0)
		log_warning("recording %u: no progress: %s", session, strerror(-err));
	connection_send(
		c, if_whole(message, cJSON_AddNumberToObject(message, "session", session)), -1);
}

static void on_ready(void *userdata)
{
	struct connection *c = userdata;

	if (c->fd < 0)
		return;
	announce(c);
	connection_settle(c);
}

/* Whether the peer has taken enough of what it was sent to get one more. */
static bool reads_on(struct connection *c, int fd)
{
	struct stat st;
	int waiting;

	if (c->broken || c->n_queue >= CONNECTION_QUEUE - 1)
		return false;
	if (c->peer.full)
		return true;
	if (fstat(fd, &st) || ioctl(c->fd, SIOCOUTQ, &waiting))
		return false;
	if (!waiting && !c->n_queue)
		c->unread = 0;
	if (c->unread && c->unread + (uint64_t)st.st_size > CONTROL_MAX_UNREAD)
		return false;
	c->unread += (uint64_t)st.st_size;
	return true;
}

static bool on_snapshot(void *userdata, unsigned number, const char *comment, int fd)
{
	struct connection *c = userdata;
	cJSON *event;
	bool whole;

	/* Whoever does not take them as fast as they come goes without. */
	if (c->fd < 0 || !reads_on(c, fd)) {
		close_fd(fd);
		return false;
	}
	event = cJSON_CreateObject();
	whole = cJSON_AddStringToObject(event, "event", "snapshot") &&
		cJSON_AddNumberToObject(event, "number", number) &&
		cJSON_AddStringToObject(event, "comment", comment);
	connection_send(c, if_whole(event, whole), fd);
	connection_settle(c);
	return true;
}

static cJSON *make_event(const char *name, uint32_t pid)
{
	cJSON *event = cJSON_CreateObject();

	return if_whole(event, cJSON_AddStringToObject(event, "event", name) &&
				       cJSON_AddNumberToObject(event, "pid", pid));
}

static void on_blocks(void *userdata, uint32_t pid, size_t n, int fd)
{
	struct connection *c = userdata;
	cJSON *event;

	if (c->fd < 0 || c->broken) {
		close_fd(fd);
		return;
	}
	/* The answer has a character for each. */
	c->wire.max_message = CONTROL_MAX_REQUEST + (uint32_t)n;
	event = make_event("blocks", pid);
	connection_send(c, if_whole(event, cJSON_AddNumberToObject(event, "count", (double)n)),
		fd < 0 ? -1 : fd);
	connection_settle(c);
}

/* 0: it is none. */
static uint32_t pid_of(const cJSON *message)
{
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(message, "pid");

	return cJSON_IsNumber(pid) && pid->valuedouble > 0 && pid->valuedouble <= REQUEST_MAX_PID
		       ? (uint32_t)pid->valuedouble
		       : 0;
}

/* Both are of the recording of this connection, which is its user's. */
static void run_blocks(struct connection *c, const cJSON *message)
{
	uint32_t pid = pid_of(message);

	if (!pid || recording_ask_blocks(c->recording, pid))
		connection_refuse(c, "this recording does not know what is in use",
			"it is to be of type heap, with ages");
}

static void run_reached(struct connection *c, const cJSON *message)
{
	uint32_t pid = pid_of(message);

	if (!pid || recording_take_reach(c->recording, pid, text_of(message, "reach")))
		connection_refuse(
			c, "what can be reached is not of blocks that were asked for", "");
	else
		connection_send(c, make_event("reached", pid), -1);
	c->wire.max_message = CONTROL_MAX_REQUEST;
}

static void run_record(struct connection *c, const cJSON *message)
{
	struct refusal refusal;
	_cleanup_free_ struct request *request = malloc(sizeof(*request));

	if (!request) {
		refuse_errno(c, "record", -ENOMEM, "try again later");
		return;
	}
	int err = request_parse(message, &c->peer, request, &refusal);
	const char *limit = err || c->peer.full ? NULL : find_limit(c->control, c->peer.uid);
	if (limit) {
		connection_refuse(c, limit, "try again a little later, or " HINT_FULL);
		return;
	}
	request->record.snapshot = on_snapshot;
	request->record.blocks = on_blocks;
	if (!err)
		err = collector_record(c->control->collector, &request->record, on_ready,
			on_recorded, c, &c->recording, refusal.error, sizeof(refusal.error),
			refusal.hint, sizeof(refusal.hint));
	if (err) {
		c->recording = NULL;
		connection_refuse(c, *refusal.error ? refusal.error : strerror(-err), refusal.hint);
		return;
	}
	log_info("recording %u of uid %u begins", recording_session(c->recording), c->peer.uid);
	if (recording_is_ready(c->recording))
		announce(c);
}

static void run_stop(struct connection *c, const cJSON *message)
{
	connection_refuse(c, "nothing is recorded over this connection", "");
}

/* Of its own recordings, or of all with full rights, those that watch a process; and with these of
 * what is profiled all the time, which holds others, too. */
static void run_snapshot(struct connection *c, const cJSON *message)
{
	uint32_t pid = pid_of(message);
	struct connection *other;
	char why[256];
	cJSON *answer;
	int asked = 0;
	bool stored;

	if (!pid) {
		connection_refuse(c, "pid is no process", "");
		return;
	}
	DL_FOREACH (c->control->connections, other)
		if (other->recording && (c->peer.full || c->peer.uid == other->peer.uid) &&
			recording_watches(other->recording, pid) &&
			!recording_ask_snapshot(other->recording, "profctl snapshot"))
			asked++;
	stored = c->peer.full && !collector_snapshot(c->control->collector, pid, c->peer.uid);
	if (!asked && !stored && access_process(&c->peer, pid, why, sizeof(why)) == -ESRCH) {
		connection_refuse(c, "there is no such process, and no heap recording of it",
			"ps -e lists what runs");
		return;
	}
	if (!asked && !stored) {
		connection_refuse(c,
			"no heap recording that watches this process runs, or it is not ready",
			"begin one: profctl record --type heap --pid P; or name the process in "
			"[heap] watch= of the settings");
		return;
	}
	answer = make_ok();
	connection_send(c,
		if_whole(answer, cJSON_AddNumberToObject(answer, "asked", asked) &&
					 cJSON_AddBoolToObject(answer, "stored", stored)),
		-1);
}

/* ---- window ------------------------------------------------------------------------------- */

static void on_window(void *userdata, int fd, int error, int64_t start_unix, uint64_t samples)
{
	struct connection *c = userdata;

	c->waits = false;
	if (error) {
		close_fd(fd);
		refuse_errno(c, "the open window", error, HINT_LOG);
	} else {
		cJSON *answer = make_ok();
		bool whole = cJSON_AddNumberToObject(answer, "start", (double)start_unix) &&
			     cJSON_AddNumberToObject(answer, "samples", (double)samples);
		connection_send(c, if_whole(answer, whole), fd);
	}
	connection_settle(c);
}

static void run_window(struct connection *c, const cJSON *message)
{
	const char *name = text_of(message, "type");
	enum session_type type = session_type_named(*name ? name : "cpu");

	if (!c->peer.full) {
		connection_refuse(c, "the open window shows the processes of all users", HINT_FULL);
		return;
	}
	c->waits = true;
	int err = type == SESSION_TYPES
			  ? -ENOENT
			  : collector_open_window(c->control->collector, type, on_window, c);
	c->waits = !err;
	if (err == -ENOENT)
		connection_refuse(c, "there is no open window of this type", HINT_TYPES);
	else if (err)
		refuse_errno(c, "the open window", err, HINT_LOG);
}

/* ---- records, open ------------------------------------------------------------------------ */

void control_forget_listing(struct control *control)
{
	control->forget = sd_event_source_disable_unref(control->forget);
	store_list_free(control->listing, control->n_listing);
	control->listing = NULL;
	control->n_listing = 0;
}

static int on_forget(sd_event_source *source, uint64_t usec, void *userdata)
{
	control_forget_listing(userdata);
	return 0;
}

/* Makes sure of control->listing. Every user may ask for it, so it is not made each time. */
static int list_store(struct control *control, char *why, size_t why_size)
{
	struct store *store;

	if (control->forget)
		return 0;
	int err = store_open(
		&store, collector_store_path(control->collector), false, why, why_size);
	if (err)
		return err;
	err = store_list(store, &control->listing, &control->n_listing);
	store_close(store);
	if (!err) {
		err = sd_event_add_time_relative(control->event, &control->forget, CLOCK_MONOTONIC,
			CONTROL_LISTING_SECONDS * USEC_PER_SECOND, USEC_PER_SECOND, on_forget,
			control);
		if (err < 0)
			control_forget_listing(control);
	}
	if (err < 0)
		snprintf(why, why_size, "the store: %s", strerror(-err));
	return err < 0 ? err : 0;
}

static bool is_own(const struct connection *c, const struct store_entry *entry)
{
	return entry->recording && entry->uid == c->peer.uid;
}

static bool add_record(cJSON *records, const struct store_entry *entry)
{
	cJSON *record = cJSON_CreateObject();
	if (!cJSON_AddItemToArray(records, record)) {
		cJSON_Delete(record);
		return false;
	}
	return cJSON_AddStringToObject(record, "path", entry->path) &&
	       cJSON_AddStringToObject(record, "type", entry->type) &&
	       cJSON_AddNumberToObject(record, "size", (double)entry->size) &&
	       cJSON_AddNumberToObject(record, "start", (double)entry->start);
}

static void run_records(struct connection *c, const cJSON *message)
{
	const struct control *control = c->control;
	char why[256];

	if (list_store(c->control, why, sizeof(why))) {
		connection_refuse(c, why, HINT_LOG);
		return;
	}
	cJSON *answer = make_ok();
	cJSON *records = cJSON_AddArrayToObject(answer, "records");
	bool whole = records != NULL;
	size_t listed = 0;
	for (size_t i = control->n_listing; whole && i-- > 0 && listed < RECORDS_LISTED;) {
		if (!is_own(c, &control->listing[i]))
			continue;
		whole = add_record(records, &control->listing[i]);
		listed++;
	}
	connection_send(c, if_whole(answer, whole), -1);
}

/* The path of a client only selects an entry of the list; what is opened is the entry's. */
static void run_open(struct connection *c, const cJSON *message)
{
	const struct control *control = c->control;
	const char *path = text_of(message, "path");
	char why[256];
	int fd = -1;

	if (list_store(c->control, why, sizeof(why))) {
		connection_refuse(c, why, HINT_LOG);
		return;
	}
	for (size_t i = 0; i < control->n_listing && fd < 0; i++) {
		const struct store_entry *entry = &control->listing[i];
		if (is_own(c, entry) && !strcmp(entry->path, path))
			fd = open(entry->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0)
		connection_refuse(c, "this is none of your recordings", "profctl ls lists them");
	else
		connection_send(c, make_ok(), fd);
}

/* ---- all ---------------------------------------------------------------------------------- */

static void run_known(struct connection *c, const char *op, const cJSON *message)
{
	static const struct {
		const char *op;
		void (*run)(struct connection *c, const cJSON *message);
	} known[] = {
		{"status", run_status},
		{"record", run_record},
		{"stop", run_stop},
		{"snapshot", run_snapshot},
		{"window", run_window},
		{"records", run_records},
		{"open", run_open},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(op, known[i].op)) {
			known[i].run(c, message);
			return;
		}
	}
	connection_refuse(c, "profd does not know this request",
		"profctl and profd should be of the same version");
}

static bool discards(const cJSON *message)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(message, "discard"));
}

void operation_run(struct connection *c, const cJSON *message)
{
	const char *op = text_of(message, "op");

	if (!c->recording)
		run_known(c, op, message);
	else if (!strcmp(op, "stop") && discards(message))
		recording_discard(c->recording);
	else if (!strcmp(op, "stop"))
		recording_stop(c->recording, RECORDING_STOPPED);
	else if (!strcmp(op, "snapshot"))
		(void)recording_ask_snapshot(c->recording, "SIGUSR2");
	else if (!strcmp(op, "blocks"))
		run_blocks(c, message);
	else if (!strcmp(op, "reached"))
		run_reached(c, message);
	else
		connection_refuse(c, "this connection is recording: it can only be stopped",
			"open another connection");
}

void operation_abandon(struct connection *c)
{
	if (c->recording) {
		recording_stop(c->recording, RECORDING_STOPPED);
		return;
	}
	if (c->waits)
		collector_cancel(c->control->collector, c);
	connection_free(c);
}
