// SPDX-License-Identifier: MIT
#include "leak_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

const char *leak_check_options(struct leak_check *c)
{
	c->wanted = c->how;
	c->full = c->how && !strcmp(c->how, "full");
	if (c->how && *c->how && !c->full)
		return "--leak-check is itself, or --leak-check=full";
	if (!c->wanted && (c->min || c->suppressions))
		return "--min and --suppressions need --leak-check";
	c->view = (struct leaks_view){
		.min = LEAKS_MIN, .n_stacks = LEAKS_STACKS, .only_leaks = true};
	if (c->min && parse_size(c->min, &c->view.min))
		return "--min is a size such as 64K or 1M";
	return NULL;
}

int leak_check_prepare(struct leak_check *c)
{
	return c->suppressions ? suppressions_load(&c->view.known, c->suppressions) : 0;
}

static void print_more(const char *path)
{
	if (path)
		log_info("next: 'profctl leaks %s' (all that is in use), 'profctl flame %s' or "
			 "'go tool pprof %s'",
			path, path, path);
}

int leak_check_run(struct leak_check *c, int fd, const char *path, double seconds)
{
	_cleanup_close_ int own = fd < 0 && path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct leaks l;

	if (fd < 0 && own < 0) {
		log_error("the profile cannot be looked at for leaks: %s", strerror(errno));
		return -EIO;
	}
	int err = leaks_report_read(&l, fd < 0 ? own : fd, seconds);
	if (!err) {
		err = leaks_report_prepare(&l, &c->view, 0);
		if (err)
			log_error("the stacks cannot be judged: %s", strerror(-err));
	}
	if (!err && c->full && !l.has_scan)
		log_warning("no memory was scanned: the command had not ended when the recording "
			    "did, or had nothing in use; what is left is judged by its age");
	if (!err) {
		c->found = leaks_report_count(&l, &c->view);
		leaks_report_print(&l, &c->view, stderr);
		print_more(path);
	}
	leaks_free(&l);
	return err;
}

void leak_check_free(struct leak_check *c)
{
	suppressions_free(&c->view.known);
}
