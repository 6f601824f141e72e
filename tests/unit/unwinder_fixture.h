/* SPDX-License-Identifier: MIT */
/*
 * unwinder_fixture.h - an unwinder with a cache of its own, modules to ask it about, and the same
 * files compiled in this process, which its answers are held against. Helpers are the test itself,
 * started with --helper.
 */
#ifndef PROFD_TEST_UNWINDER_FIXTURE_H
#define PROFD_TEST_UNWINDER_FIXTURE_H

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
#include <sys/mman.h>
#include <unistd.h>

#include "collector/heap_sites.h"
#include "collector/module.h"
#include "collector/opener.h"
#include "collector/unwinder.h"
#include "symbolizer/elf_file.h"
#include "unwind/compile.h"
#include "util/cleanup.h"

#define MAX_PAGES 4096

struct world {
	sd_event *event;
	struct opener *opener;
	struct unwinder *unwinder;
	char folder[64]; /* of the cache, and of debug files */
	/* of the last answer */
	unsigned answers;
	int error;
	uint32_t page;
	struct unwinder_code code;
	uint32_t words[UNWIND_PAGE_WORDS];
	size_t n_words;
	const struct heap_sites *sites; /* the module's */
};

/* ---- asking ------------------------------------------------------------------------------- */

static inline void start(struct world *w, bool cached)
{
	assert_int_equal(
		unwinder_new(&w->unwinder, w->event, w->opener, cached ? w->folder : NULL), 0);
}

static inline void restart(struct world *w)
{
	unwinder_free(w->unwinder);
	start(w, true);
}

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->folder, sizeof(w->folder), "/tmp/profd-unwinder-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(opener_new(&w->opener, w->event, w->folder), 0);
	start(w, true);
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	unwinder_free(w->unwinder);
	opener_free(w->opener);
	sd_event_unref(w->event);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0); // NOLINT
	free(w);
	return 0;
}

static inline void opened(
	void *userdata, struct module *module, int error, const struct unwinder_code *code)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	assert_true(error || code);
	if (code)
		w->code = *code;
}

static inline void compiled(void *userdata, struct module *module, uint32_t page, int error,
	const uint32_t *words, size_t n_words)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	w->page = page;
	w->n_words = n_words;
	if (!error)
		memcpy(w->words, words, n_words * UNWIND_WORD);
}

static inline void found(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	w->sites = sites;
	assert_int_equal(!error, !!sites);
}

static inline void wait_for(struct world *w, unsigned answers)
{
	for (unsigned i = 0; w->answers < answers; i++) {
		assert_true(i < 10000);
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	}
	assert_int_equal(w->answers, answers);
}

static inline int ask_code(struct world *w, struct module *m)
{
	unsigned before = w->answers;

	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_int_equal(w->answers, before);
	wait_for(w, before + 1);
	return w->error;
}

static inline int ask_page(struct world *w, struct module *m, uint32_t page)
{
	unsigned before = w->answers;

	assert_int_equal(unwinder_compile(w->unwinder, m, page, compiled, w), 0);
	assert_int_equal(w->answers, before);
	wait_for(w, before + 1);
	assert_int_equal(w->page, page);
	return w->error;
}

static inline int ask_sites(struct world *w, struct module *m)
{
	unsigned before = w->answers;

	assert_int_equal(heap_sites_ask(w->unwinder, m, found, w), 0);
	wait_for(w, before + 1);
	return w->error;
}

/* ---- modules ------------------------------------------------------------------------------ */

static inline struct module *module_of(int fd)
{
	struct module *m = module_new(MODULE_FILE, "/nowhere/file", strlen("/nowhere/file"));

	assert_non_null(m);
	assert_true(fd >= 0);
	assert_int_equal(module_take_file(m, fd), 0);
	return m;
}

static inline int open_self(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

/* Some dozen pages. */
static inline int open_libc(void)
{
	return open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
}

static inline int copy_of_self(void)
{
	_cleanup_close_ int self = open_self();
	int fd = memfd_create("copy", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;

	while ((n = read(self, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(fd, buffer, (size_t)n), n);
	return fd;
}

/* ---- against the compiler here ------------------------------------------------------------ */

struct reference {
	int fd;
	struct elf_file file;
	struct cfi_source source;
	struct unwind_module *compiler;
};

static inline void open_reference(struct reference *r, int fd)
{
	r->fd = fd;
	assert_int_equal(elf_file_open(&r->file, r->fd), 0);
	assert_int_equal(cfi_source_read(&r->source, &r->file), 0);
	assert_int_equal(unwind_module_open(&r->compiler, &r->source), 0);
}

static inline void close_reference(struct reference *r)
{
	unwind_module_close(r->compiler);
	elf_file_close(&r->file);
	close(r->fd);
}

static inline void expect_code(const struct world *w, const struct reference *r)
{
	const struct cfi_code *last = &r->source.code[r->source.n_code - 1];

	assert_int_equal(w->code.low, unwind_module_page(r->compiler, 0));
	assert_true(last->end - w->code.low > (w->code.n_pages - 1ULL) * UNWIND_PAGE_SIZE);
	assert_true(last->end - w->code.low <= (uint64_t)w->code.n_pages * UNWIND_PAGE_SIZE);
	assert_int_equal(w->code.has_rules, unwind_module_has_rules(r->compiler));
	assert_int_equal(w->code.n_segments, r->source.n_code);
	for (size_t i = 0; i < w->code.n_segments; i++) {
		const struct unwinder_segment *s = &w->code.segments[i];
		uint8_t byte;

		assert_int_equal(s->vaddr, r->source.code[i].start);
		assert_int_equal(s->size, r->source.code[i].end - s->vaddr);
		assert_int_equal(pread(r->fd, &byte, 1, (off_t)s->offset), 1);
		assert_int_equal(byte, r->source.code[i].bytes[0]);
	}
}

static inline void expect_page(const struct world *w, const struct reference *r)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	int n = unwind_module_compile(
		r->compiler, w->code.low + (uint64_t)w->page * UNWIND_PAGE_SIZE, words);

	assert_int_equal(w->n_words, n);
	assert_memory_equal(w->words, words, w->n_words * UNWIND_WORD);
}

/* All pages, or about `pages` of them. Returns how many they were. */
static inline unsigned check_file(struct world *w, struct module *m, uint32_t pages)
{
	struct reference r;
	unsigned n = 0;

	open_reference(&r, dup(m->fd));
	assert_int_equal(ask_code(w, m), 0);
	expect_code(w, &r);
	for (uint32_t i = 0; i < w->code.n_pages; i += w->code.n_pages / pages + 1, n++) {
		assert_int_equal(ask_page(w, m, i), 0);
		expect_page(w, &r);
	}
	close_reference(&r);
	return n;
}

#endif
