// SPDX-License-Identifier: MIT
#include "leak_exit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "leak_scan.h"
#include "process_memory.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/preload_path.h"
#include "util/whole.h"

#define MAX_BLOCKS (1u << 19) /* an answer, of CONTROL_MAX_MESSAGE, has a character for each */

int leak_exit_begin(struct leak_exit *e, pid_t child, bool complete)
{
	int err = exit_trace_begin(&e->trace, child);

	e->complete = complete;
	if (err)
		log_error("--leak-check=full: the command cannot be traced (%s): without '=full' "
			  "it need not be; a security module or kernel.yama.ptrace_scope=3 may "
			  "forbid it",
			strerror(-err));
	return err;
}

static cJSON *make_request(const char *op, pid_t pid)
{
	cJSON *request = client_request(op);

	if (request && cJSON_AddNumberToObject(request, "pid", pid))
		return request;
	cJSON_Delete(request);
	return NULL;
}

static bool has_library(pid_t tid)
{
	_cleanup_free_ char *line = NULL;
	bool found = false;
	size_t size = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	_cleanup_fclose_ FILE *maps = fopen(path, "re");
	while (maps && !found && getline(&line, &size, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		found = is_preload_name(line);
	}
	return found;
}

int leak_exit_step(struct leak_exit *e, struct client *client)
{
	const struct traced_thread *held = exit_trace_held(&e->trace);

	if (!held || e->asked)
		return 0;
	e->asked = held->pid;
	e->announced = e->announced || has_library(held->tid);
	return client_send(client, make_request("blocks", held->pid));
}

/* ---- scanning ------------------------------------------------------------------------------- */

/* What the scan begins with; all of the trace's. */
static int gather(const struct exit_trace *t, pid_t pid, uint64_t **words, size_t *n_words,
	uint64_t **stacks, size_t *n_stacks)
{
	const size_t each = sizeof(t->registers->words) / sizeof(uint64_t);

	*words = calloc(t->n_registers + 1, sizeof(t->registers->words));
	*stacks = calloc(t->n_registers + 1, sizeof(**stacks));
	*n_words = *n_stacks = 0;
	if (!*words || !*stacks)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_registers; i++) {
		const struct last_registers *r = &t->registers[i];

		if (r->pid != pid)
			continue;
		memcpy(*words + *n_words, r->words, each * sizeof(uint64_t));
		*n_words += r->n_words;
		(*stacks)[(*n_stacks)++] = r->stack;
	}
	return 0;
}

static int find_roots(
	pid_t tid, const struct process_memory_facts *facts, struct leak_range **ranges, size_t *n)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	_cleanup_fclose_ FILE *maps = fopen(path, "re");
	return maps ? process_memory_roots(maps, facts, ranges, n) : -errno;
}

static int scan(
	const struct leak_exit *e, const struct control_block *blocks, size_t n, char *kinds)
{
	_cleanup_free_ uint64_t *words = NULL, *stacks = NULL;
	_cleanup_free_ struct leak_range *ranges = NULL;
	const struct traced_thread *held = exit_trace_held(&e->trace);
	struct process_memory memory;
	struct process_memory_facts facts = {
		.blocks = blocks, .n_blocks = n, .complete = e->complete};
	struct leak_roots roots = {0};
	int err = gather(&e->trace, e->asked, &words, &roots.n_words, &stacks, &facts.n_stacks);

	if (err)
		return err;
	facts.stacks = stacks;
	roots.words = words;
	err = find_roots(held->tid, &facts, &ranges, &roots.n_ranges);
	if (err)
		return err;
	roots.ranges = ranges;
	err = process_memory_open(&memory, held->tid);
	if (!err)
		err = leak_scan(blocks, n, &roots,
			&(struct leak_memory){process_memory_read, &memory}, kinds);
	process_memory_close(&memory);
	return err;
}

static bool are_sorted(const struct control_block *blocks, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (blocks[i].address < blocks[i - 1].address)
			return false;
	return true;
}

/* What of it can be reached: characters, to be freed. NULL: that cannot be said. */
static char *judge(const struct leak_exit *e, size_t n, int fd)
{
	_cleanup_free_ struct control_block *blocks = NULL;
	_cleanup_free_ char *kinds = NULL;
	int err = n <= MAX_BLOCKS && fd >= 0 ? 0 : -EBADMSG;

	if (!err) {
		blocks = calloc(n + 1, sizeof(*blocks));
		kinds = calloc(n + 1, 1);
		err = blocks && kinds ? read_whole(fd, blocks, n * sizeof(*blocks), 0) : -ENOMEM;
	}
	if (!err && !are_sorted(blocks, n))
		err = -EBADMSG;
	if (!err)
		err = scan(e, blocks, n, kinds);
	if (!err)
		return take_ptr(kinds);
	log_warning(
		"the memory of process %d cannot be scanned: %s", (int)e->asked, strerror(-err));
	return NULL;
}

static int on_blocks(struct leak_exit *e, struct client *client, const cJSON *event, int fd)
{
	double count = json_number(event, "count");
	size_t n = count > 0 && count <= MAX_BLOCKS ? (size_t)count : 0;
	_cleanup_free_ char *kinds = judge(e, n, fd);
	cJSON *answer = make_request("reached", e->asked);

	e->skipped += !kinds;
	if (answer && !cJSON_AddStringToObject(answer, "reach", kinds ? kinds : "")) {
		cJSON_Delete(answer);
		answer = NULL;
	}
	return client_send(client, answer);
}

int leak_exit_event(struct leak_exit *e, struct client *client, const cJSON *event, int fd)
{
	if (!e->asked || (pid_t)json_number(event, "pid") != e->asked)
		return 0;
	if (!strcmp(json_text(event, "event"), "blocks"))
		return on_blocks(e, client, event, fd);
	exit_trace_let_go(&e->trace);
	e->asked = 0;
	return leak_exit_step(e, client);
}

void leak_exit_end(struct leak_exit *e)
{
	exit_trace_open(&e->trace);
	e->asked = 0;
}

void leak_exit_free(struct leak_exit *e)
{
	exit_trace_free(&e->trace);
}
