/* SPDX-License-Identifier: MIT */
#include "collector/module.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"

static size_t n_open_files;

size_t module_open_files(void)
{
	return n_open_files;
}

struct module *module_ref(struct module *m)
{
	m->references++;
	return m;
}

void module_unref(struct module *m)
{
	if (!m || --m->references)
		return;
	if (m->names_free)
		m->names_free(m->names);
	if (m->tables_free)
		m->tables_free(m->tables);
	if (m->sites_free)
		m->sites_free(m->sites);
	if (m->fd >= 0)
		n_open_files--;
	close_fd(m->fd);
	module_unref(m->same);
	free(m->path);
	free(m->real_path);
	free(m);
}

struct module *module_new(enum module_kind kind, const char *path, size_t length)
{
	struct module *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	*m = (struct module){.kind = kind, .fd = -1, .references = 1};
	m->path = strndup(path, length);
	if (!m->path) {
		module_unref(m);
		return NULL;
	}
	return m;
}

static void set_file(struct module *m, int fd)
{
	m->fd = fd;
	m->state = MODULE_OPEN;
	m->error = 0;
	n_open_files++;
}

void module_fail(struct module *m, int error)
{
	m->state = MODULE_FAILED;
	m->error = error;
}

void module_wait(struct module *m, struct module_waiter *waiter)
{
	struct module_waiter **end = &m->waiters;
	while (*end)
		end = &(*end)->next;
	waiter->next = NULL;
	*end = waiter;
}

void module_wait_no_more(struct module *m, struct module_waiter *waiter)
{
	for (struct module_waiter **w = &m->waiters; *w; w = &(*w)->next) {
		if (*w == waiter) {
			*w = waiter->next;
			return;
		}
	}
}

/* Who is called may let others wait no more, and may have the module opened again. */
void module_settle(struct module *m)
{
	module_ref(m);
	while (m->waiters && m->state != MODULE_OPENING) {
		struct module_waiter *waiter = m->waiters;
		m->waiters = waiter->next;
		waiter->settled(waiter->userdata, m);
	}
	module_unref(m);
}

void module_give_up(struct module *m, int error)
{
	if (m->state != MODULE_OPENING)
		return;
	module_fail(m, error);
	module_settle(m);
}

bool module_is_jit(const struct module *m)
{
	return m->kind == MODULE_ANON && m->path[0] == '/';
}

/* AT_STATX_DONT_SYNC: what the kernel knows, without asking a server that may not answer. */
static int stat_without_waiting(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, st) < 0 ? -errno
											    : 0;
}

static struct timespec time_of(struct statx_timestamp t)
{
	return (struct timespec){.tv_sec = t.tv_sec, .tv_nsec = (long)t.tv_nsec};
}

int module_take_file(struct module *m, int fd)
{
	struct statx st;
	int error = stat_without_waiting(fd, &st);
	if (error)
		return error;
	set_file(m, fd);
	m->owner = st.stx_uid;
	m->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	m->inode = st.stx_ino;
	m->size = (off_t)st.stx_size;
	m->mtime = time_of(st.stx_mtime);
	m->ctime = time_of(st.stx_ctime);
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

struct file_identity module_identity(const struct module *m)
{
	return (struct file_identity){
		.device = m->device,
		.inode = m->inode,
		.size = (uint64_t)m->size,
		.mtime = m->mtime.tv_sec,
		.mtime_ns = m->mtime.tv_nsec,
		.ctime = m->ctime.tv_sec,
		.ctime_ns = m->ctime.tv_nsec,
	};
}

bool module_same_identity(const struct module *a, const struct module *b)
{
	struct file_identity x = module_identity(a), y = module_identity(b);
	return file_identity_equal(&x, &y);
}

bool module_is_unchanged(const struct module *m)
{
	struct statx now;
	if (stat_without_waiting(m->fd, &now) < 0)
		return false;
	struct timespec mtime = time_of(now.stx_mtime), ctime = time_of(now.stx_ctime);
	return (off_t)now.stx_size == m->size && same_time(&mtime, &m->mtime) &&
	       same_time(&ctime, &m->ctime);
}

bool module_is_deleted(const struct module *m)
{
	struct statx now;
	return m->fd >= 0 && stat_without_waiting(m->fd, &now) == 0 && now.stx_nlink == 0;
}

/* ---- the kernel's own ----------------------------------------------------------------------- */

struct module *module_new_kernel(void)
{
	struct module *m = module_new(MODULE_KERNEL, "[kernel]", strlen("[kernel]"));
	if (!m)
		return NULL;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		module_fail(m, -errno);
	else
		set_file(m, fd);
	return m;
}

/* Size of the mapping that starts at `address` in this process; 0: there is none. */
static uint64_t own_mapping_size(uint64_t address)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	while (f && getline(&line, &room, f) > 0) {
		uint64_t start, end;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 && start == address)
			return end - start;
	}
	return 0;
}

static int copy_vdso(struct module *m, uint64_t *size)
{
	uint64_t address = getauxval(AT_SYSINFO_EHDR);
	*size = address ? own_mapping_size(address) : 0;
	if (!*size)
		return -ENOENT;
	_cleanup_close_ int fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, (const void *)(uintptr_t)address, (size_t)*size);
	if (n < 0 || (uint64_t)n != *size)
		return n < 0 ? -errno : -EIO;
	set_file(m, take_fd(fd));
	return 0;
}

struct module *module_new_vdso(uint64_t *size)
{
	struct module *m = module_new(MODULE_VDSO, "[vdso]", strlen("[vdso]"));
	if (!m)
		return NULL;
	int error = copy_vdso(m, size);
	if (error)
		module_fail(m, error);
	return m;
}
