/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/private.h"
#include "util/cleanup.h"
#include "util/folder.h"
#include "util/whole.h"

#define FOLDER_MODE 0750
#define FILE_MODE   0640
#define LOCK_NAME   ".lock"

/* ---- names -------------------------------------------------------------------------------- */

bool store_is_type(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
	return n > 0 && name[n] == '\0' && strcmp(name, STORE_RECORDS) != 0;
}

bool store_type_is_known(const char *type)
{
	for (const char *at = STORE_TYPES; *at;) {
		size_t n = strcspn(at, ",");
		if (strlen(type) == n && !memcmp(at, type, n))
			return true;
		at += n + strspn(at + n, ", ");
	}
	return false;
}

bool store_has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);
	return n > s && !strcmp(name + n - s, suffix);
}

char *store_change_suffix(const char *name, const char *from, const char *to)
{
	char *out;
	int keep = (int)(strlen(name) - strlen(from));
	return asprintf(&out, "%.*s%s", keep, name, to) < 0 ? NULL : out;
}

/* ---- folders ------------------------------------------------------------------------------ */

int store_open_folder(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int store_each(
	int folder, int (*visit)(void *userdata, int folder, const char *name), void *userdata)
{
	DIR *entries = folder_open(folder, ".");
	if (!entries)
		return -errno;
	int r = 0;
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(entries);
		if (!e) {
			r = -errno;
			break;
		}
		if (e->d_name[0] == '.')
			continue;
		r = visit(userdata, folder, e->d_name);
		if (r < 0 && r != -ENOENT)
			break;
	}
	closedir(entries);
	return r;
}

/* Whatever the umask: the group may read, others not. Who may not change the group keeps his. */
static int set_access(const struct store *s, int fd, mode_t mode)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_gid != s->group && fchown(fd, (uid_t)-1, s->group) < 0 && errno != EPERM)
		return -errno;
	mode_t wanted = mode | (st.st_mode & S_ISGID);
	if ((st.st_mode & 07777) != wanted && fchmod(fd, wanted) < 0)
		return -errno;
	return 0;
}

static int make_folder(const struct store *s, int parent, const char *name)
{
	bool made = mkdirat(parent, name, FOLDER_MODE) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	_cleanup_close_ int fd = store_open_folder(parent, name);
	if (fd < 0 || !made)
		return take_fd(fd);
	int r = set_access(s, fd, FOLDER_MODE);
	/* The entry of a new folder must be on disk before anything in it counts as kept. */
	if (r == 0 && fsync(parent) < 0 && errno != EINVAL)
		r = -errno;
	return r < 0 ? r : take_fd(fd);
}

/* ---- opening ------------------------------------------------------------------------------ */

/* mkdir of the folder and, if that is missing, of the one above. */
static int make_store(const char *path)
{
	if (mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	_cleanup_free_ char *parent = strdup(path);
	if (!parent)
		return -ENOMEM;
	size_t n = strlen(parent);
	while (n > 1 && parent[n - 1] == '/')
		n--;
	while (n > 1 && parent[n - 1] != '/')
		n--;
	parent[n] = '\0';
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static void read_holder(int lock, char *out, size_t size)
{
	ssize_t n = pread(lock, out, size - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	out[strspn(out, "0123456789")] = '\0';
}

static int take_lock(struct store *s, char *why, size_t why_size)
{
	char pid[24];
	s->lock = openat(s->dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (s->lock < 0) {
		int r = -errno;
		snprintf(why, why_size, "store %s: cannot make %s: %s", s->path, LOCK_NAME,
			strerror(-r));
		return r;
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;
		read_holder(s->lock, pid, sizeof(pid));
		if (r == -EWOULDBLOCK)
			snprintf(why, why_size,
				"store %s is in use by another profd (pid %s): stop it, or choose "
				"another folder with --store",
				s->path, *pid ? pid : "unknown");
		else
			snprintf(why, why_size, "store %s: cannot lock it: %s", s->path,
				strerror(-r));
		return r;
	}
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* The number is for people; on a full disk the lock holds without it. */
	if (ftruncate(s->lock, 0) < 0 || pwrite(s->lock, pid, (size_t)n, 0) < 0)
		return errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
	return 0;
}

/* Whoever holds the lock is the only writer: what is temporary was left by one that died. */
static int remove_stale(int folder)
{
	DIR *entries = folder_open(folder, ".");
	if (!entries)
		return -errno;
	const struct dirent *e;
	while ((e = readdir(entries))) {
		if (!strncmp(e->d_name, STORE_TMP, strlen(STORE_TMP)))
			unlinkat(folder, e->d_name, 0);
	}
	closedir(entries);
	return 0;
}

static int remove_stale_below(void *userdata, int folder, const char *name)
{
	unsigned depth = *(const unsigned *)userdata;
	_cleanup_close_ int fd = store_open_folder(folder, name);
	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	int r = remove_stale(fd);
	if (r == 0 && depth > 1) {
		unsigned deeper = depth - 1;
		r = store_each(fd, remove_stale_below, &deeper);
	}
	return r;
}

static int open_writable(struct store *s, char *why, size_t why_size)
{
	unsigned depth = 2; /* type, date */
	int r = take_lock(s, why, why_size);
	if (r < 0)
		return r;
	r = remove_stale(s->dir);
	if (r == 0)
		r = store_each(s->dir, remove_stale_below, &depth);
	if (r < 0)
		snprintf(why, why_size, "store %s: cannot remove old temporary files: %s", s->path,
			strerror(-r));
	return r;
}

static int open_path(struct store *s, const char *path, char *why, size_t why_size)
{
	struct stat st;
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0 || fstat(s->dir, &st) < 0) {
		int r = -errno;
		const char *hint = r == -EACCES	  ? ": it is readable for root and the group profd"
				   : r == -ENOENT ? ": no profd has written there; name another "
						    "with --store"
						  : "";
		snprintf(why, why_size, "store %s: %s%s", path, strerror(-r), hint);
		return r;
	}
	s->group = st.st_gid;
	s->path = realpath(path, NULL);
	if (!s->path) {
		int r = -errno;
		snprintf(why, why_size, "store %s: %s", path, strerror(-r));
		return r;
	}
	return 0;
}

int store_open(struct store **out, const char *path, bool create, char *why, size_t why_size)
{
	int r = create ? make_store(path) : 0;
	if (r < 0) {
		snprintf(why, why_size, "store %s: cannot make the folder: %s", path, strerror(-r));
		return r;
	}
	struct store *s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	s->dir = s->lock = -1;
	r = open_path(s, path, why, why_size);
	if (r == 0 && create)
		r = open_writable(s, why, why_size);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	close_fd(s->lock);
	close_fd(s->dir);
	free(s->path);
	free(s);
}

const char *store_path(const struct store *s)
{
	return s->path;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int open_temporary(struct store *s, int dir, char **name, int *fd)
{
	if (asprintf(name, STORE_TMP "%ld-%u", (long)getpid(), s->counter++) < 0) {
		*name = NULL;
		return -ENOMEM;
	}
	*fd = openat(dir, *name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (*fd < 0)
		return -errno;
	int r = set_access(s, *fd, FILE_MODE);
	if (r < 0) {
		unlinkat(dir, *name, 0);
		*fd = close_fd(*fd);
	}
	return r;
}

static void forget_file(struct store_file *f)
{
	close_fd(f->fd);
	close_fd(f->dir);
	free(f->folder);
	free(f->tmp);
	free(f->name);
	*f = (struct store_file){.fd = -1, .dir = -1};
}

/* Takes over folder and name. `date` may be NULL: the file lies in the first folder then. */
static int begin_file(
	struct store *s, const char *top, const char *date, char *name, struct store_file *out)
{
	*out = (struct store_file){.store = s, .fd = -1, .dir = -1, .name = name};
	if (asprintf(&out->folder, "%s%s%s", top, date ? "/" : "", date ? date : "") < 0)
		out->folder = NULL;
	int r = out->name && out->folder ? 0 : -ENOMEM;
	if (r == 0) {
		r = make_folder(s, s->dir, top);
		out->dir = r < 0 ? -1 : r;
	}
	if (r >= 0 && date) {
		_cleanup_close_ int parent = out->dir;
		r = make_folder(s, parent, date);
		out->dir = r < 0 ? -1 : r;
	}
	if (r >= 0)
		r = open_temporary(s, out->dir, &out->tmp, &out->fd);
	if (r < 0)
		forget_file(out);
	return r < 0 ? r : 0;
}

int store_begin_window(struct store *s, const char *type, struct timespec start, unsigned seconds,
	struct store_file *out)
{
	struct tm tm;
	char date[32];
	char *name;
	if (!store_is_type(type) || !gmtime_r(&start.tv_sec, &tm) ||
		!strftime(date, sizeof(date), "%Y-%m-%d", &tm))
		return -EINVAL;
	if (asprintf(&name, "%02d%02d%02d-%us" STORE_PROFILE, tm.tm_hour, tm.tm_min, tm.tm_sec,
		    seconds ? seconds : 1) < 0)
		return -ENOMEM;
	return begin_file(s, type, date, name, out);
}

int store_begin_record(struct store *s, const char *type, struct timespec start, uid_t uid,
	uint32_t session, struct store_file *out)
{
	struct tm tm;
	char when[32];
	char *name;
	if (!store_is_type(type) || !gmtime_r(&start.tv_sec, &tm) ||
		!strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm))
		return -EINVAL;
	if (asprintf(&name, "%s-%lu-%" PRIu32 ".%s" STORE_PROFILE, when, (unsigned long)uid,
		    session, type) < 0)
		return -ENOMEM;
	return begin_file(s, STORE_RECORDS, NULL, name, out);
}

/* 0, -EEXIST, or -errno. */
static int rename_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that flag: link does not replace either. */
	if (linkat(dir, from, dir, to, 0) < 0)
		return -errno;
	unlinkat(dir, from, 0);
	return 0;
}

/* "-1", "-2", … before the first dot of a name that is taken. */
static int next_name(const char *name, unsigned n, char **out)
{
	int stem = (int)strcspn(name, ".");
	if (asprintf(out, "%.*s-%u%s", stem, name, n, name + stem) < 0) {
		*out = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int put_in_place(struct store_file *f)
{
	_cleanup_free_ char *first = strdup(f->name);
	if (!first)
		return -ENOMEM;
	int r = rename_new(f->dir, f->tmp, f->name);
	for (unsigned n = 1; r == -EEXIST && n < 10000; n++) {
		char *name;
		r = next_name(first, n, &name);
		if (r < 0)
			return r;
		free(f->name);
		f->name = name;
		r = rename_new(f->dir, f->tmp, f->name);
	}
	return r;
}

int store_commit(struct store_file *f, char *path, size_t path_size)
{
	int r = fsync(f->fd) < 0 ? -errno : 0;
	if (r == 0)
		r = put_in_place(f);
	if (r < 0) {
		store_abort(f);
		return r;
	}
	struct stat st;
	if (fstat(f->fd, &st) == 0)
		f->store->written += (uint64_t)st.st_size;
	if (fsync(f->dir) < 0 && errno != EINVAL) {
		r = -errno;
		unlinkat(f->dir, f->name, 0);
	}
	snprintf(path, path_size, "%s/%s/%s", f->store->path, f->folder, f->name);
	forget_file(f);
	return r;
}

void store_abort(struct store_file *f)
{
	if (f->dir >= 0 && f->tmp)
		unlinkat(f->dir, f->tmp, 0);
	forget_file(f);
}

int store_write_activity(struct store *s, const char *path, const char *text, size_t size)
{
	size_t root = strlen(s->path);
	if (strncmp(path, s->path, root) != 0 || path[root] != '/' ||
		!store_has_suffix(path, STORE_PROFILE))
		return -EINVAL;
	_cleanup_free_ char *folder = strdup(path + root + 1);
	if (!folder)
		return -ENOMEM;
	char *slash = strrchr(folder, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	_cleanup_free_ char *name = store_change_suffix(slash + 1, STORE_PROFILE, STORE_ACTIVITY);
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int dir = store_open_folder(s->dir, folder);
	_cleanup_close_ int fd = -1;
	if (!name)
		return -ENOMEM;
	if (dir < 0)
		return dir;
	int r = open_temporary(s, dir, &tmp, &fd);
	if (r < 0)
		return r;
	r = write_all(fd, text, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, tmp, 0);
	else
		s->written += size;
	return r;
}
