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

static bool is_left(const struct leaks *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].live.bytes > 0)
			return true;
	return false;
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
	if (!err && c->full && !l.has_scan && is_left(&l))
		log_warning("no memory was scanned: no process of the command came to its end "
			    "while it was recorded; what is left is judged by its age");
	if (!err) {
		c->found = leaks_report_count(&l, &c->view);
		leaks_report_print(&l, &c->view, stderr);
		print_more(path);
	}
	leaks_free(&l);
	return err;
}

void leak_check_refuse(struct leak_check *c, uint32_t sample_bytes)
{
	c->blind = true;
	log_error("nothing was checked for leaks: no allocation of the command was seen, since its "
		  "allocator cannot be watched or it ended too soon%s; link it with glibc "
		  "dynamically, so that it loads libprofd-heap.so%s",
		sample_bytes > 1 ? ", or allocated too little" : "",
		sample_bytes > 1 ? ", or lower --sample-bytes" : "");
}

void leak_check_free(struct leak_check *c)
{
	suppressions_free(&c->view.known);
}
