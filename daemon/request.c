// SPDX-License-Identifier: MIT
#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "util/brief_scale.h"

#define MAX_BYTES (1ULL << 50)

#define HINT_FULL "run as root, or join the group profd"

__attribute__((format(printf, 4, 5))) static int refuse(
	struct refusal *r, int err, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->error, sizeof(r->error), format, args);
	va_end(args);
	snprintf(r->hint, sizeof(r->hint), "%s", hint);
	return err;
}

static bool whole_number(const cJSON *item, unsigned min, unsigned max, unsigned *out)
{
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max))
		return false;
	*out = (unsigned)item->valuedouble;
	return *out == item->valuedouble;
}

/* A missing key leaves the default. */
static int take_number(const cJSON *message, const char *key, unsigned min, unsigned max,
	unsigned *out, struct refusal *r)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(message, key);

	if (!item || whole_number(item, min, max, out))
		return 0;
	return refuse(r, -EINVAL, "", "%s is not a whole number from %u to %u", key, min, max);
}

static int take_bool(const cJSON *message, const char *key, bool *out, struct refusal *r)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(message, key);

	if (item && !cJSON_IsBool(item))
		return refuse(r, -EINVAL, "", "%s is neither true nor false", key);
	*out = cJSON_IsTrue(item);
	return 0;
}

/* *out: NULL where the key is missing or "". */
static int take_text(const cJSON *message, const char *key, const char **out, struct refusal *r)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(message, key);

	*out = NULL;
	if (!item)
		return 0;
	if (!cJSON_IsString(item))
		return refuse(r, -EINVAL, "", "%s is not a text", key);
	if (*item->valuestring)
		*out = item->valuestring;
	return 0;
}

static int take_type(const cJSON *message, enum session_type *out, struct refusal *r)
{
	const cJSON *types = cJSON_GetObjectItemCaseSensitive(message, "types");
	const char *type = cJSON_GetStringValue(cJSON_GetArrayItem(types, 0));

	*out = SESSION_CPU;
	if (!types)
		return 0;
	if (!cJSON_IsArray(types) || !cJSON_GetArraySize(types))
		return refuse(r, -EINVAL, "", "types is not a list of profile types");
	if (cJSON_GetArraySize(types) > 1)
		return refuse(r, -EINVAL, "ask for one after the other",
			"a recording has one type of profile");
	*out = type ? session_type_named(type) : SESSION_TYPES;
	if (*out == SESSION_TYPES)
		return refuse(r, -EINVAL, "ask for the type cpu or heap",
			"this profd has no profiles of type '%.32s', only cpu and heap",
			type ? type : "?");
	return 0;
}

static int check_process(const struct peer *peer, uint32_t pid, struct refusal *r)
{
	char why[sizeof(r->error)] = "";
	int err = access_process(peer, pid, why, sizeof(why));

	if (err == -ESRCH)
		return refuse(r, err, "ps -e lists what runs", "there is no process %u", pid);
	if (err == -EPERM)
		return refuse(r, err, HINT_FULL, "%s", why);
	if (err)
		return refuse(r, err, "", "process %u: %s", pid, strerror(-err));
	return 0;
}

static int take_pids(const cJSON *message, const char *key, const struct peer *peer, uint32_t *pids,
	size_t *n, struct refusal *r)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(message, key);
	const cJSON *item;

	*n = 0;
	if (list && !cJSON_IsArray(list))
		return refuse(r, -EINVAL, "", "%s is not a list", key);
	cJSON_ArrayForEach (item, list) {
		unsigned pid;
		if (!whole_number(item, 1, REQUEST_MAX_PID, &pid))
			return refuse(r, -EINVAL, "", "%s: not a number from 1 to %u", key,
				REQUEST_MAX_PID);
		if (*n == REQUEST_MAX_PIDS)
			return refuse(r, -E2BIG, "select them by their cgroup or command instead",
				"more than %d %s", REQUEST_MAX_PIDS, key);
		int err = check_process(peer, pid, r);
		if (err)
			return err;
		pids[(*n)++] = pid;
	}
	return 0;
}

static int take_filter(
	const cJSON *message, const struct peer *peer, struct request *out, struct refusal *r)
{
	struct session_filter *f = &out->record.filter;
	int err = take_pids(message, "pids", peer, out->pids, &f->n_pids, r);

	if (!err)
		err = take_pids(message, "tids", peer, out->tids, &f->n_tids, r);
	if (!err)
		err = take_bool(message, "children", &f->children, r);
	if (!err)
		err = take_text(message, "comm", &f->comm, r);
	if (!err)
		err = take_text(message, "cgroup", &f->cgroup, r);
	if (err)
		return err;
	f->pids = out->pids;
	f->tids = out->tids;
	if (f->children && !f->n_pids)
		return refuse(r, -EINVAL, "name a pid too", "children of which process?");
	if (f->comm && strlen(f->comm) >= PROFD_COMM_LEN)
		return refuse(r, -EINVAL, "give its first 15 bytes: the kernel keeps no more",
			"the command name '%.64s' is longer than 15 bytes", f->comm);
	if (f->cgroup)
		return cgroup_find(f->cgroup, &f->cgroup_id, &f->cgroup_is_v1, r->error,
			sizeof(r->error), r->hint, sizeof(r->hint));
	return 0;
}

/* What does not go with every type. */
static int check_heap(const struct recording_request *record, struct refusal *r)
{
	const struct session_filter *f = &record->filter;

	if (record->type != SESSION_HEAP && record->ages)
		return refuse(
			r, -EINVAL, "record the type heap", "only what is allocated has ages");
	if (record->type != SESSION_HEAP && (record->peak || record->temporary))
		return refuse(r, -EINVAL, "record the type heap", "only what is allocated %s",
			record->peak ? "has a peak" : "is temporary");
	if (record->type != SESSION_HEAP && snapshot_plan_has(&record->snapshots))
		return refuse(
			r, -EINVAL, "record the type heap", "only what is allocated has snapshots");
	if (record->type != SESSION_HEAP && record->max_cost)
		return refuse(r, -EINVAL, "record the type heap: max_cost is of its probes",
			"only probes on allocators have a ceiling of cost");
	if (record->type != SESSION_HEAP)
		return 0;
	if (!f->n_pids && !f->n_tids && !f->comm && !f->cgroup)
		return refuse(r, -EINVAL, "name a pid, a command or a cgroup",
			"a heap profile of the whole host would slow all of it down");
	if (record->timestamps)
		return refuse(r, -EINVAL, "record the type cpu for a timeline",
			"a heap profile keeps no times");
	return 0;
}

static int take_bytes(const cJSON *message, const char *key, uint64_t *out, struct refusal *r)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(message, key);

	if (!item)
		return 0;
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= MAX_BYTES))
		return refuse(r, -EINVAL, "", "%s is no number of bytes", key);
	*out = (uint64_t)item->valuedouble;
	return 0;
}

static int take_plan(const cJSON *message, struct snapshot_plan *plan, struct refusal *r)
{
	int err = take_number(
		message, "snapshot_seconds", 0, REQUEST_MAX_SECONDS, &plan->seconds, r);

	if (!err)
		err = take_bytes(message, "snapshot_allocated", &plan->allocated, r);
	return err ? err : take_bytes(message, "snapshot_grown", &plan->grown, r);
}

static int take_temporary(const cJSON *message, unsigned *us, struct refusal *r)
{
	int err = take_number(message, "temporary", 0, UINT32_MAX, us, r);

	if (err || !*us || brief_scale_within(brief_scale_step(*us * 1000ULL)) == *us)
		return err;
	return refuse(r, -EINVAL, "say 10000",
		"temporary: %u microseconds are no step of its scale", *us);
}

int request_parse(
	const cJSON *message, const struct peer *peer, struct request *out, struct refusal *refusal)
{
	struct recording_request *record = &out->record;

	*refusal = (struct refusal){0};
	*record = (struct recording_request){
		.seconds = REQUEST_SECONDS,
		.frequency = REQUEST_FREQUENCY,
		.sample_bytes = REQUEST_SAMPLE_BYTES,
		.snapshots =
			{
				.apart = peer->full ? REQUEST_APART : REQUEST_OTHERS_APART,
				.rest = peer->full ? REQUEST_REST : REQUEST_OTHERS_REST,
				.at_once = peer->full ? REQUEST_AT_ONCE : REQUEST_OTHERS_AT_ONCE,
				.max_bytes = peer->full ? 0 : REQUEST_OTHERS_SNAPSHOTS,
			},
		.uid = peer->uid,
	};
	int err = take_type(message, &record->type, refusal);
	if (!err)
		err = take_number(
			message, "seconds", 0, REQUEST_MAX_SECONDS, &record->seconds, refusal);
	if (!err)
		err = take_number(message, "frequency", 1, 1000, &record->frequency, refusal);
	if (!err)
		err = take_number(
			message, "sample_bytes", 1, UINT32_MAX, &record->sample_bytes, refusal);
	if (!err)
		err = take_number(
			message, "max_cost", 0, REQUEST_MAX_COST, &record->max_cost, refusal);
	if (!err)
		err = take_plan(message, &record->snapshots, refusal);
	if (!err)
		err = take_bool(message, "deliver", &record->deliver, refusal);
	if (!err)
		err = take_bool(message, "timestamps", &record->timestamps, refusal);
	if (!err)
		err = take_bool(message, "ages", &record->ages, refusal);
	if (!err)
		err = take_temporary(message, &record->temporary, refusal);
	if (!err)
		err = take_bool(message, "peak", &record->peak, refusal);
	if (!err)
		err = take_bool(message, "announced", &record->announced, refusal);
	if (!err)
		err = take_filter(message, peer, out, refusal);
	if (!err)
		err = check_heap(record, refusal);
	if (err)
		return err;
	if (!peer->full) {
		record->filter.by_uid = true;
		record->filter.uid = peer->uid;
		record->filter.no_kernel = true;
		record->also_descriptor = !record->deliver;
	}
	return 0;
}
