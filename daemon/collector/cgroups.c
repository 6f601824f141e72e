/* SPDX-License-Identifier: MIT */
#include "collector/cgroups.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include <xxhash.h>

#include "util/cleanup.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h */
#define MAX_TEXT      (64 * 1024)
#define PATH_CACHE    256

struct cached {
	uint64_t id, v1_id;
	struct cgroup *cgroup; /* NULL: free */
};

struct hierarchy {
	int fd;	      /* its root; -1: not mounted */
	char *prefix; /* path of the root */
};

struct cgroups {
	struct hierarchy unified, memory;
	bool hybrid;
	struct cached cache[CGROUP_CACHE];  /* direct mapped by the ids */
	struct cgroup *by_path[PATH_CACHE]; /* direct mapped by the path's hash: shares strings */
};

struct cgroup *cgroup_ref(struct cgroup *c)
{
	c->references++;
	return c;
}

void cgroup_unref(struct cgroup *c)
{
	if (!c || --c->references)
		return;
	free(c->path);
	free(c->container);
	free(c);
}

static struct cgroup *cgroup_new(const char *path)
{
	char container[CONTAINER_NAME_MAX];
	struct cgroup *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	cgroup_container(path, container);
	c->references = 1;
	c->path = strdup(path);
	c->container = strdup(container);
	if (!c->path || !c->container) {
		cgroup_unref(c);
		return NULL;
	}
	return c;
}

static struct cgroup *cgroup_of_path(struct cgroups *c, const char *path)
{
	struct cgroup **cached = &c->by_path[XXH3_64bits(path, strlen(path)) % PATH_CACHE];
	if (*cached && !strcmp((*cached)->path, path))
		return cgroup_ref(*cached);
	struct cgroup *found = cgroup_new(path);
	if (!found)
		return NULL;
	cgroup_unref(*cached);
	*cached = cgroup_ref(found);
	return found;
}

/* ---- container ------------------------------------------------------------------------------ */

#define SHORT_ID 12

static size_t count_hex(const char *text, size_t size)
{
	size_t n = 0;
	while (n < size &&
		((text[n] >= '0' && text[n] <= '9') || (text[n] >= 'a' && text[n] <= 'f')))
		n++;
	return n;
}

static bool has_prefix(const char *part, size_t size, const char *prefix)
{
	size_t n = strlen(prefix);
	return size > n && !memcmp(part, prefix, n);
}

static void copy_name(const char *name, size_t size, char out[CONTAINER_NAME_MAX])
{
	snprintf(out, CONTAINER_NAME_MAX, "%.*s", (int)(size < INT_MAX ? size : INT_MAX), name);
}

/* "docker-<64 hex>.scope", "cri-containerd-<64 hex>.scope", "<64 hex>": the runtime's id is what
 * stands last before the suffix, and is 64 digits long. */
static bool container_id(const char *part, size_t size, char out[CONTAINER_NAME_MAX])
{
	static const char *const prefixes[] = {"docker-", "cri-containerd-", "crio-", "libpod-",
		"nerdctl-", "containerd-", "k8s.io-", ""};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);
		if (n && !has_prefix(part, size, prefixes[i]))
			continue;
		size_t rest = size - n;
		if (count_hex(part + n, rest) >= 64 && (rest == 64 || part[n + 64] == '.')) {
			copy_name(part + n, SHORT_ID, out);
			return true;
		}
	}
	return false;
}

/* "lxc.payload.NAME", "machine-NAME.scope" with systemd's \x2d for a dash in the name. */
static bool container_name(const char *part, size_t size, char out[CONTAINER_NAME_MAX])
{
	static const char lxc[] = "lxc.payload.", machine[] = "machine-", scope[] = ".scope";
	if (has_prefix(part, size, lxc)) {
		copy_name(part + sizeof(lxc) - 1, size - (sizeof(lxc) - 1), out);
		return true;
	}
	size_t fixed = sizeof(machine) - 1 + sizeof(scope) - 1;
	if (!has_prefix(part, size, machine) || size <= fixed ||
		memcmp(part + size - (sizeof(scope) - 1), scope, sizeof(scope) - 1) != 0)
		return false;
	const char *name = part + sizeof(machine) - 1, *end = part + size - (sizeof(scope) - 1);
	size_t n = 0;
	while (name < end && n + 1 < CONTAINER_NAME_MAX) {
		bool dash = end - name >= 4 && !memcmp(name, "\\x2d", 4);
		out[n++] = dash ? '-' : *name;
		name += dash ? 4 : 1;
	}
	out[n] = '\0';
	return true;
}

void cgroup_container(const char *path, char out[CONTAINER_NAME_MAX])
{
	out[0] = '\0';
	/* The innermost one wins: docker in docker, pods of kind's nodes. */
	for (const char *part = path; *part;) {
		size_t size = strcspn(part, "/");
		if (size && !container_id(part, size, out))
			container_name(part, size, out);
		part += size + (part[size] == '/');
	}
}

/* ---- /proc/PID/cgroup ----------------------------------------------------------------------- */

/* "4:memory:/path": which hierarchy a line is about. */
enum line_kind { LINE_OTHER, LINE_UNIFIED, LINE_MEMORY, LINE_SYSTEMD };

static enum line_kind line_kind(const char *controllers, size_t size)
{
	if (size == 0)
		return LINE_UNIFIED;
	if (size == strlen("name=systemd") && !memcmp(controllers, "name=systemd", size))
		return LINE_SYSTEMD;
	for (size_t i = 0; i < size;) {
		size_t n = strcspn(controllers + i, ",:");
		if (n == strlen("memory") && !memcmp(controllers + i, "memory", n))
			return LINE_MEMORY;
		i += n + 1;
	}
	return LINE_OTHER;
}

static bool is_root(const char *path, size_t size)
{
	return size == 1 && path[0] == '/';
}

bool cgroup_parse(const char *text, char *out, size_t size)
{
	const char *paths[4] = {NULL};
	size_t lengths[4] = {0};
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		const char *end = line + length;
		const char *first = memchr(line, ':', length);
		const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1))
					   : NULL;
		if (second && second + 1 < end && second[1] == '/') {
			enum line_kind kind = line_kind(first + 1, (size_t)(second - first - 1));
			paths[kind] = second + 1;
			lengths[kind] = (size_t)(end - second - 1);
		}
		line = end + (*end == '\n');
	}
	enum line_kind best = LINE_OTHER;
	for (enum line_kind kind = LINE_SYSTEMD; kind > LINE_OTHER; kind--) {
		if (!paths[kind])
			continue;
		if (best == LINE_OTHER || !is_root(paths[kind], lengths[kind]))
			best = kind;
	}
	if (best == LINE_OTHER || lengths[best] >= size)
		return false;
	memcpy(out, paths[best], lengths[best]);
	out[lengths[best]] = '\0';
	return true;
}

static struct cgroup *read_process(struct cgroups *c, uint32_t pid)
{
	char path[64], out[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/cgroup", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	_cleanup_free_ char *text = malloc(MAX_TEXT);
	size_t used = 0;
	ssize_t n = text ? 1 : 0;
	while (n > 0 && used < MAX_TEXT - 1) {
		n = read(fd, text + used, MAX_TEXT - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (!text || n < 0)
		return NULL;
	text[used] = '\0';
	return cgroup_parse(text, out, sizeof(out)) ? cgroup_of_path(c, out) : NULL;
}

/* ---- ids ------------------------------------------------------------------------------------ */

static struct hierarchy open_hierarchy(const char *path, const char *proof)
{
	struct hierarchy h = {.fd = -1};
	char file[128];
	snprintf(file, sizeof(file), "%s/%s", path, proof);
	if (access(file, F_OK) < 0)
		return h;
	h.prefix = strdup(path);
	if (h.prefix)
		h.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return h;
}

static void close_hierarchy(struct hierarchy *h)
{
	h->fd = close_fd(h->fd);
	free(h->prefix);
}

/* Path of a node below its hierarchy's root; false: it is gone, or we may not. */
static bool path_of_id(const struct hierarchy *h, uint64_t id, char *out, size_t size)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h8 = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	if (h->fd < 0 || !id)
		return false;
	memcpy(h8.bytes + offsetof(struct file_handle, f_handle), &id, sizeof(id));
	_cleanup_close_ int fd = open_by_handle_at(
		h->fd, &h8.handle, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	size_t prefix = strlen(h->prefix);
	const char *rest = strncmp(path, h->prefix, prefix) ? path : path + prefix;
	int length = snprintf(out, size, "%s", *rest ? rest : "/");
	return length >= 0 && (size_t)length < size;
}

static struct cgroup *resolve_ids(struct cgroups *c, uint64_t id, uint64_t v1_id)
{
	char path[PATH_MAX];
	bool known = path_of_id(&c->unified, id, path, sizeof(path));
	if (c->hybrid && (!known || !strcmp(path, "/")))
		known = path_of_id(&c->memory, v1_id, path, sizeof(path));
	/* On a hybrid host the path can still be in systemd's hierarchy, which has no id here. */
	if (!known || (c->hybrid && !strcmp(path, "/")))
		return NULL;
	return cgroup_of_path(c, path);
}

struct cgroup *cgroups_find(struct cgroups *c, uint64_t id, uint64_t v1_id, uint32_t pid)
{
	if (!id && !v1_id)
		return read_process(c, pid);
	uint64_t hash = (id ^ v1_id * 0x9e3779b97f4a7c15ULL) * 0x9e3779b97f4a7c15ULL;
	struct cached *slot = &c->cache[(hash >> 32) % CGROUP_CACHE];
	if (slot->cgroup && slot->id == id && slot->v1_id == v1_id)
		return cgroup_ref(slot->cgroup);
	struct cgroup *found = resolve_ids(c, id, v1_id);
	if (!found)
		return read_process(c, pid);
	cgroup_unref(slot->cgroup);
	*slot = (struct cached){.id = id, .v1_id = v1_id, .cgroup = cgroup_ref(found)};
	return found;
}

int cgroups_new(struct cgroups **out)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->unified = open_hierarchy("/sys/fs/cgroup", "cgroup.controllers");
	if (c->unified.fd < 0) {
		close_hierarchy(&c->unified);
		c->unified = open_hierarchy("/sys/fs/cgroup/unified", "cgroup.controllers");
		c->hybrid = true;
	}
	c->memory = open_hierarchy("/sys/fs/cgroup/memory", "cgroup.procs");
	*out = c;
	return 0;
}

void cgroups_free(struct cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CGROUP_CACHE; i++)
		cgroup_unref(c->cache[i].cgroup);
	for (size_t i = 0; i < PATH_CACHE; i++)
		cgroup_unref(c->by_path[i]);
	close_hierarchy(&c->unified);
	close_hierarchy(&c->memory);
	free(c);
}
