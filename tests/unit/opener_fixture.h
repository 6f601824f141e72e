/* SPDX-License-Identifier: MIT */
/* opener_fixture.h - an opener with a folder of its own, and what is asked of it. The program is
 * its own helper. */
#ifndef PROFD_TEST_OPENER_FIXTURE_H
#define PROFD_TEST_OPENER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/opener.h"
#include "helper/process.h"
#include "opener/protocol.h"

struct result {
	int calls, fd, error;
	char path[PATH_MAX];
};

struct bed {
	sd_event *event;
	struct opener *opener;
	char folder[64];
};

static inline void done(void *userdata, int fd, int error, const char *real_path)
{
	struct result *r = userdata;
	r->calls++;
	r->fd = fd;
	r->error = error;
	snprintf(r->path, sizeof(r->path), "%s", real_path ? real_path : "");
}

static inline struct bed new_bed(const char *debug_dirs)
{
	struct bed bed = {.folder = "/tmp/profd-test-XXXXXX"};
	assert_non_null(mkdtemp(bed.folder));
	assert_int_equal(sd_event_new(&bed.event), 0);
	assert_int_equal(
		opener_new(&bed.opener, bed.event, debug_dirs ? debug_dirs : bed.folder), 0);
	return bed;
}

static inline void remove_folder(const char *folder)
{
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", folder, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static inline void free_bed(struct bed *bed)
{
	opener_free(bed->opener);
	sd_event_unref(bed->event);
	remove_folder(bed->folder);
}

/* Runs the loop until the result is there; the time limit is of the test. */
static inline void wait_for(struct bed *bed, const struct result *r)
{
	for (int i = 0; i < 100 && !r->calls; i++)
		assert_true(sd_event_run(bed->event, 100 * 1000) >= 0);
	assert_int_equal(r->calls, 1);
}

static inline struct result ask(struct bed *bed, const struct opener_request *request)
{
	struct result r = {.fd = -1};
	assert_int_equal(opener_submit(bed->opener, request, done, &r), 0);
	assert_int_equal(r.calls, 0); /* never from within */
	wait_for(bed, &r);
	return r;
}

static inline void expect_error(struct bed *bed, const struct opener_request *request, int error)
{
	struct result r = ask(bed, request);
	if (r.fd >= 0)
		close(r.fd);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.error, error);
}

static inline void expect_content(
	struct bed *bed, const struct opener_request *request, const char *content)
{
	char text[64] = "";
	struct result r = ask(bed, request);
	assert_int_equal(r.error, 0);
	assert_true(r.fd >= 0);
	assert_true(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(r.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(pread(r.fd, text, sizeof(text) - 1, 0) >= 0);
	close(r.fd);
	assert_string_equal(text, content);
}

static inline const char *in_bed(struct bed *bed, const char *name)
{
	static char path[8][256];
	static unsigned next;
	char *out = path[next++ % 8];
	snprintf(out, sizeof(path[0]), "%s/%s", bed->folder, name);
	return out;
}

static inline void write_file(const char *path, const char *content)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

/* A mapping record as the kernel would write it for that file, of a process that is gone. */
static inline struct opener_request record_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (struct opener_request){
		.kind = OPENER_MAPPING,
		.pid = UINT32_MAX,
		.start = 0x400000,
		.end = 0x401000,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.inode = st.st_ino,
		.path = path,
	};
}

#endif
