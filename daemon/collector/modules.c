/* SPDX-License-Identifier: MIT */
#include "collector/modules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
/* Without memory an element is not added, and its hh.tbl is NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "collector/module.h"
#include "collector/opener.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define SECOND 1000000000ULL
/* Modules that only the table holds are kept for that long after they were mapped last. An open
 * file keeps its file system from being unmounted, so not for ever. */
#define KEEP_NS (120 * SECOND)
/* How often a module that is mapped again and again is asked whether it was rewritten. */
#define VERIFY_NS (SECOND / 10)
/* A file that could not be opened is tried again through whoever maps it next: after the first
 * failure at once for practical purposes, then at growing distance. */
#define FIRST_RETRY_NS (SECOND / 10)
#define LAST_RETRY_NS  (12 * SECOND)
/* Ceiling of the table; fewer where RLIMIT_NOFILE says so. */
#define MAX_MODULES 8192
/* Descriptors left to everything else: rings, events, windows, connections. */
#define RESERVED_FDS 512
#define MAX_SPECIAL  16

static const char ANON_PATH[] = "//anon";

struct key {
	uint64_t inode, path; /* path: its hash, or 0: see key_of() */
	uint32_t major, minor;
};

/* What is known under one key. Its module changes when the file does. */
struct slot {
	struct key key;
	struct modules *table;
	struct module *module; /* a reference */
	uint64_t generation;
	uint64_t mapped, verified; /* CLOCK_MONOTONIC, ns */
	uint64_t retry_ns;	   /* wait before the next try */
	bool opening;
	struct slot *prev, *next; /* by last use, oldest first */
	UT_hash_handle hh;
};

/* A request for a process's perf map; it holds its module. */
struct perf_map {
	struct modules *table;
	struct module *module;
	struct perf_map *prev, *next;
};

struct modules {
	struct opener *opener;
	struct slot *by_key, *by_use;
	size_t n_slots, max_slots;
	struct module *kernel, *vdso, *anon;
	uint64_t vdso_size;
	struct module *special[MAX_SPECIAL]; /* "[uprobes]" and the like */
	size_t n_special;
	struct perf_map *perf_maps;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- names of mappings ---------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static size_t length_without_deleted(const char *path)
{
	static const char suffix[] = " (deleted)";
	size_t n = strlen(path), m = sizeof(suffix) - 1;
	return n > m && !strcmp(path + n - m, suffix) ? n - m : n;
}

/* A 32-bit program has another vDSO, below 4 GiB; so does a process under another kernel's
 * personality. */
static bool is_host_vdso(const struct modules *t, const struct module_mapping *mapping)
{
	return mapping->end - mapping->start == t->vdso_size && mapping->start >> 32 &&
	       !strcmp(mapping->path, "[vdso]");
}

static struct module *special_module(struct modules *t, const char *name)
{
	for (size_t i = 0; i < t->n_special; i++) {
		if (!strcmp(t->special[i]->path, name))
			return module_ref(t->special[i]);
	}
	struct module *m = module_new(MODULE_ANON, name, strlen(name));
	if (!m)
		return NULL;
	module_fail(m, -ENOENT);
	if (t->n_special < MAX_SPECIAL)
		t->special[t->n_special++] = module_ref(m);
	return m;
}

/* ---- the table ------------------------------------------------------------------------------ */

static size_t raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = before;
	}
	if (limit.rlim_cur >= MAX_MODULES + RESERVED_FDS)
		return MAX_MODULES;
	return (size_t)(limit.rlim_cur > 2 * RESERVED_FDS ? limit.rlim_cur - RESERVED_FDS
							  : limit.rlim_cur / 2);
}

int modules_new(struct modules **out, struct opener *opener)
{
	struct modules *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->opener = opener;
	t->max_slots = raise_file_limit();
	t->kernel = module_new_kernel();
	t->vdso = module_new_vdso(&t->vdso_size);
	t->anon = module_new(MODULE_ANON, ANON_PATH, strlen(ANON_PATH));
	if (!t->kernel || !t->vdso || !t->anon) {
		modules_free(t);
		return -ENOMEM;
	}
	module_fail(t->anon, -ENOENT);
	*out = t;
	return 0;
}

/* Takes the reference. */
static void set_module(struct slot *s, struct module *m)
{
	if (s->module)
		s->module->slots--;
	module_unref(s->module);
	s->module = m;
	if (m)
		m->slots++;
}

/* Only the table holds its module. */
static bool is_idle(const struct slot *s)
{
	return s->module->references == s->module->slots && !s->opening;
}

static void drop_slot(struct slot *s)
{
	struct modules *t = s->table;
	HASH_DEL(t->by_key, s);
	DL_DELETE(t->by_use, s);
	t->n_slots--;
	if (s->opening)
		opener_cancel(t->opener, s);
	if (s->module)
		module_give_up(s->module, -ECANCELED);
	set_module(s, NULL);
	free(s);
}

static void drop_perf_map(struct perf_map *request)
{
	DL_DELETE(request->table->perf_maps, request);
	module_give_up(request->module, -ECANCELED);
	module_unref(request->module);
	free(request);
}

void modules_free(struct modules *t)
{
	if (!t)
		return;
	while (t->by_use)
		drop_slot(t->by_use);
	while (t->perf_maps) {
		opener_cancel(t->opener, t->perf_maps);
		drop_perf_map(t->perf_maps);
	}
	for (size_t i = 0; i < t->n_special; i++)
		module_unref(t->special[i]);
	module_unref(t->kernel);
	module_unref(t->vdso);
	module_unref(t->anon);
	free(t);
}

/* To mappings a btrfs with subvolumes is one device, and so is an overlay of several file systems:
 * files of each can have the same number there. Such devices have no major number. To ask stat for
 * what it knows better could mean to wait for a server: so the path has to do. Files of the same
 * path, in the images of two containers, have the generation besides, but not in a scan of /proc.
 */
static struct key key_of(const struct module_mapping *mapping)
{
	struct key key = {mapping->inode, 0, mapping->major, mapping->minor};

	if (!mapping->major)
		key.path = hash_bytes(mapping->path, length_without_deleted(mapping->path));
	return key;
}

/* The same file under another key: overlay and btrfs show one file under several numbers. */
static struct module *find_same(struct slot *s)
{
	struct slot *other;
	DL_FOREACH (s->table->by_use, other) {
		if (other != s && other->module->state == MODULE_OPEN &&
			module_same_identity(other->module, s->module))
			return other->module;
	}
	return NULL;
}

/* Least recently used first, of those that only the table holds. */
static bool evict_one(struct modules *t)
{
	struct slot *s;
	DL_FOREACH (t->by_use, s) {
		if (is_idle(s)) {
			drop_slot(s);
			return true;
		}
	}
	return false;
}

/* Also what has left the table holds a descriptor: whoever rewrites a file and maps it anew again
 * and again, or has many processes with a perf map, gets no more of them than the table may. */
static int check_room(struct modules *t)
{
	while (module_open_files() >= t->max_slots)
		if (!evict_one(t))
			return -EMFILE;
	return 0;
}

static bool has_root(pid_t pid)
{
	char path[64], first;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return readlink(path, &first, 1) > 0;
}

/* Its debug files can lie below the root of a process that maps it: of one that has not ended, not
 * even as a zombie. */
static void keep_process(struct module *m, pid_t pid)
{
	if (m->pid <= 0 || !has_root(m->pid))
		m->pid = pid;
}

static void on_opened(void *userdata, int fd, int error, const char *real_path)
{
	struct slot *s = userdata;
	struct module *m = module_ref(s->module);
	s->opening = false;
	s->verified = now_ns();
	if (!error)
		error = check_room(s->table);
	if (!error)
		error = module_take_file(m, fd);
	if (error) {
		close_fd(fd);
		if (error == -ENOEXEC)
			m->kind = MODULE_ANON;
		module_fail(m, error);
	} else {
		m->real_path = real_path ? strdup(real_path) : NULL;
		m->same = find_same(s);
	}
	if (m->same) {
		module_ref(m->same);
		keep_process(m->same, m->pid);
		set_module(s, module_ref(m->same));
	}
	module_settle(m);
	module_unref(m);
}

static struct module *new_file_module(const struct module_mapping *mapping)
{
	struct module *m = module_new(
		MODULE_FILE, mapping->path, length_without_deleted(mapping->path));
	if (m)
		m->pid = (pid_t)mapping->pid;
	return m;
}

static void submit(struct slot *s, const struct module_mapping *mapping, uint64_t now)
{
	struct modules *t = s->table;
	struct opener_request request = {
		.kind = OPENER_MAPPING,
		.pid = mapping->pid,
		.start = mapping->start,
		.end = mapping->end,
		.major = mapping->major,
		.minor = mapping->minor,
		.inode = mapping->inode,
		.path = mapping->path,
	};
	int error = t->opener ? opener_submit(t->opener, &request, on_opened, s) : -ENOSYS;
	s->opening = !error;
	s->verified = now;
	s->retry_ns = s->retry_ns ? s->retry_ns * 2 : FIRST_RETRY_NS;
	if (s->retry_ns > LAST_RETRY_NS)
		s->retry_ns = LAST_RETRY_NS;
	if (error)
		module_fail(s->module, error);
	else
		s->module->state = MODULE_OPENING;
}

static struct slot *add_slot(struct modules *t, const struct key *key)
{
	if (t->n_slots >= t->max_slots && !evict_one(t))
		return NULL;
	struct slot *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = *key;
	s->table = t;
	HASH_ADD(hh, t->by_key, key, sizeof(s->key), s);
	if (!s->hh.tbl) {
		free(s);
		return NULL;
	}
	DL_APPEND(t->by_use, s);
	t->n_slots++;
	return s;
}

/* Whether what is mapped now under the slot's key is another file than the slot's module. */
static bool is_other_file(struct slot *s, const struct module_mapping *mapping, uint64_t now)
{
	if (mapping->inode_generation && s->generation &&
		mapping->inode_generation != s->generation)
		return true;
	if (s->module->state != MODULE_OPEN || now - s->verified < VERIFY_NS)
		return false;
	s->verified = now;
	return !module_is_unchanged(s->module);
}

static bool is_due_again(const struct slot *s, uint64_t now)
{
	return s->module->state == MODULE_FAILED && s->module->kind == MODULE_FILE &&
	       now - s->verified >= s->retry_ns;
}

/* The slot gets a new module. False without memory: then the slot is as it was. */
static bool renew(struct slot *s, const struct module_mapping *mapping, uint64_t now)
{
	struct module *m = new_file_module(mapping);
	if (!m)
		return false;
	if (s->opening)
		opener_cancel(s->table->opener, s);
	if (s->module)
		module_give_up(s->module, -ESTALE);
	set_module(s, m);
	s->generation = 0;
	s->retry_ns = 0;
	submit(s, mapping, now);
	return true;
}

static struct module *map_file(struct modules *t, const struct module_mapping *mapping)
{
	struct key key = key_of(mapping);
	uint64_t now = now_ns();
	struct slot *s;
	HASH_FIND(hh, t->by_key, &key, sizeof(key), s);
	if (!s)
		s = add_slot(t, &key);
	if (!s) { /* everything is in use: named, but never opened */
		struct module *m = new_file_module(mapping);
		if (m)
			module_fail(m, -EMFILE);
		return m;
	}
	if (!s->module || is_other_file(s, mapping, now)) {
		if (!renew(s, mapping, now)) {
			drop_slot(s);
			return NULL;
		}
	} else if (is_due_again(s, now)) {
		submit(s, mapping, now);
	}
	if (mapping->inode_generation)
		s->generation = mapping->inode_generation;
	keep_process(s->module, (pid_t)mapping->pid);
	s->mapped = now;
	DL_DELETE(t->by_use, s);
	DL_APPEND(t->by_use, s);
	return module_ref(s->module);
}

/* Memory that has an inode of the kernel's own, but no file: shared anonymous memory, SysV
 * segments, huge pages, devices. */
static bool is_anonymous(const struct module_mapping *mapping)
{
	const char *path = mapping->path;
	if (!mapping->inode || starts_with(path, "//") || starts_with(path, "anon_inode:"))
		return true;
	if (starts_with(path, "/dev/"))
		return !starts_with(path, "/dev/shm/");
	return starts_with(path, "/SYSV") || starts_with(path, "/anon_hugepage") ||
	       starts_with(path, "/drm mm object");
}

struct module *modules_map(struct modules *t, const struct module_mapping *mapping)
{
	const char *path = mapping->path;
	if (is_host_vdso(t, mapping))
		return module_ref(t->vdso);
	if (starts_with(path, "[") && !starts_with(path, "[anon") && strcmp(path, "[heap]") != 0 &&
		!starts_with(path, "[stack"))
		return special_module(t, path);
	if (starts_with(path, "[") || is_anonymous(mapping))
		return module_ref(t->anon);
	return map_file(t, mapping);
}

/* ---- perf maps ------------------------------------------------------------------------------ */

static void on_perf_map(void *userdata, int fd, int error, const char *real_path)
{
	struct perf_map *request = userdata;
	struct module *m = request->module;
	if (!error)
		error = check_room(request->table);
	if (!error)
		error = module_take_file(m, fd);
	if (error) {
		close_fd(fd);
		module_fail(m, error);
	} else {
		m->real_path = real_path ? strdup(real_path) : NULL;
	}
	module_settle(m);
	drop_perf_map(request);
}

static void request_perf_map(struct modules *t, struct module *m)
{
	struct perf_map *request = t->opener ? calloc(1, sizeof(*request)) : NULL;
	struct opener_request ask = {.kind = OPENER_JIT, .pid = (uint32_t)m->pid};
	if (!request || opener_submit(t->opener, &ask, on_perf_map, request) < 0) {
		free(request);
		module_fail(m, -ENOENT);
		return;
	}
	*request = (struct perf_map){.table = t, .module = module_ref(m)};
	m->state = MODULE_OPENING;
	DL_APPEND(t->perf_maps, request);
}

struct module *modules_perf_map(struct modules *t, uint32_t pid)
{
	struct module *m = module_new(MODULE_PERF_MAP, ANON_PATH, strlen(ANON_PATH));
	if (!m)
		return NULL;
	m->pid = (pid_t)pid;
	request_perf_map(t, m);
	return m;
}

void modules_retry_perf_map(struct modules *t, struct module *m)
{
	if (m->state == MODULE_FAILED)
		request_perf_map(t, m);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

struct module *modules_kernel(struct modules *t)
{
	return t->kernel;
}

void modules_sweep(struct modules *t)
{
	uint64_t now = now_ns();
	struct slot *s, *next;
	DL_FOREACH_SAFE(t->by_use, s, next)
	{
		if (is_idle(s) && (now - s->mapped > KEEP_NS || module_is_deleted(s->module)))
			drop_slot(s);
	}
}

struct modules_stats modules_stats(const struct modules *t)
{
	struct modules_stats stats = {.bytes = HASH_OVERHEAD(hh, t->by_key)};
	const struct slot *s;
	DL_FOREACH (t->by_use, s) {
		stats.modules++;
		stats.open += s->module->state == MODULE_OPEN;
		stats.failed += s->module->state == MODULE_FAILED;
		stats.bytes += sizeof(*s) + sizeof(*s->module) + strlen(s->module->path) + 1;
	}
	return stats;
}
