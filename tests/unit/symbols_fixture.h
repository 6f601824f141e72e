/* SPDX-License-Identifier: MIT */
/*
 * symbols_fixture.h - a module and the collector's symbolizer, which starts helpers in their
 * sandbox. They are the program itself, started with --helper; PROFD_TEST_SYMBOLIZER makes the one
 * that symbolizes misbehave.
 */
#ifndef PROFD_TEST_SYMBOLS_FIXTURE_H
#define PROFD_TEST_SYMBOLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad_symbolizer.h"
#include "collector/module.h"
#include "collector/opener.h"
#include "collector/symbols.h"

#define MEMORY (64u << 20)

struct world {
	char cache[32]; /* folder */
	sd_event *event;
	struct opener *opener;
	struct symbolizer *symbolizer;
	struct module module;
	/* of the last answer */
	unsigned answers;
	int error;
	char name[128];
	size_t n_addresses;
	uint32_t count, line;
};

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct stat st;

	assert_non_null(w);
	unsetenv("PROFD_TEST_SYMBOLIZER");
	snprintf(w->cache, sizeof(w->cache), "/tmp/profd-symbols-XXXXXX");
	assert_non_null(mkdtemp(w->cache));
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(opener_new(&w->opener, w->event, w->cache), 0);
	assert_int_equal(symbolizer_new(&w->symbolizer, w->event, w->opener, MEMORY, w->cache), 0);
	w->module = (struct module){
		.kind = MODULE_FILE,
		.state = MODULE_OPEN,
		.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		.path = (char *)"/nowhere/program",
		.references = 1000,
	};
	assert_int_equal(fstat(w->module.fd, &st), 0);
	w->module.device = st.st_dev;
	w->module.inode = st.st_ino;
	w->module.size = st.st_size;
	w->module.mtime = st.st_mtim;
	*state = w;
	return 0;
}

static inline void drop_module(struct world *w)
{
	if (w->module.names)
		w->module.names_free(w->module.names);
	w->module.names = NULL;
	close(w->module.fd);
}

static inline int tear_down(void **state)
{
	struct world *w = *state;
	char command[64];

	symbolizer_free(w->symbolizer);
	opener_free(w->opener);
	drop_module(w);
	sd_event_unref(w->event);
	snprintf(command, sizeof(command), "rm -rf %s", w->cache);
	assert_int_equal(system(command), 0); // NOLINT
	free(w);
	return 0;
}

static inline void answered(
	void *userdata, struct module *module, int error, const struct symbols *symbols)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	w->n_addresses = symbols->n_addresses;
	w->count = symbols->n_addresses ? symbols->addresses[0].count : 0;
	w->name[0] = '\0';
	w->line = w->count ? symbols->lines[symbols->addresses[0].first].line : 0;
	if (w->count)
		snprintf(w->name, sizeof(w->name), "%s",
			symbols->functions[symbols->lines[symbols->addresses[0].first].function]
				.name);
}

static inline void ask(struct world *w, const uint64_t *offsets, size_t n)
{
	unsigned before = w->answers;

	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, offsets, n, answered, w), 0);
	for (unsigned i = 0; w->answers == before; i++) {
		assert_true(i < 10000);
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	}
	assert_int_equal(w->n_addresses, n);
}

/* What main() begins with. */
static inline bool is_helper(int argc, char **argv)
{
	return argc > 2 && !strcmp(argv[1], "--helper");
}

static inline int run_helper(char **argv)
{
	return !strcmp(argv[2], "opener") ? opener_main(argv[3]) : perhaps_bad_symbolizer(argv[3]);
}

#endif
