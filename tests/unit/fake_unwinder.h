/* SPDX-License-Identifier: MIT */
/* fake_unwinder.h - instead of unwinder.c, one that answers when and what the test says. */
#ifndef PROFD_TEST_FAKE_UNWINDER_H
#define PROFD_TEST_FAKE_UNWINDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collector/heap_sites.h"
#include "collector/module.h"
#include "collector/unwinder.h"
#include "table_fixture.h"

/* ---- requests ----------------------------------------------------------------------------- */

static struct fake_request {
	struct module *module; /* a reference */
	unwinder_opened opened;
	unwinder_compiled compiled;
	unwinder_found found;
	uint32_t page;
	void *userdata;
} fake_requests[256];
static size_t n_fake_requests;
static unsigned fake_asked; /* since start, refused ones too */
static int fake_refusal;    /* -errno: nothing is taken on */

static inline int fake_ask(const struct fake_request *request)
{
	fake_asked++;
	if (fake_refusal)
		return fake_refusal;
	assert_true(n_fake_requests < 256);
	fake_requests[n_fake_requests++] = *request;
	module_ref(request->module);
	return 0;
}

int unwinder_open(struct unwinder *u, struct module *module, unwinder_opened done, void *userdata)
{
	return fake_ask(
		&(struct fake_request){.module = module, .opened = done, .userdata = userdata});
}

int unwinder_compile(struct unwinder *u, struct module *module, uint32_t page,
	unwinder_compiled done, void *userdata)
{
	return fake_ask(&(struct fake_request){
		.module = module, .compiled = done, .page = page, .userdata = userdata});
}

bool unwinder_is_busy(const struct unwinder *u)
{
	(void)u;
	return n_fake_requests;
}

int unwinder_find_sites(
	struct unwinder *u, struct module *module, unwinder_found done, void *userdata)
{
	return fake_ask(
		&(struct fake_request){.module = module, .found = done, .userdata = userdata});
}

/* Of one page by default, without space before it. */
static inline struct unwinder_code fake_code(uint32_t n_pages)
{
	return (struct unwinder_code){
		.n_pages = n_pages,
		.has_rules = true,
		.n_segments = 1,
		.segments = {{.size = (uint64_t)n_pages << UNWIND_PAGE_SHIFT}},
	};
}

/* A block that is good for nothing else, of a number of rows. Words that it takes. */
static inline size_t fake_block(uint32_t words[UNWIND_PAGE_WORDS], unsigned rows, unsigned frame)
{
	struct page_builder *b = malloc(sizeof(*b));
	size_t n;

	assert_non_null(b);
	page_begin(b, &unwind_arch_x86_64, 0);
	for (unsigned i = 0; i < rows; i++) {
		struct unwind_rule rule = rule_by_sp(frame + i % 2, 0);
		page_add_rule(b, 2 * i, &rule);
	}
	n = page_finish(b, words);
	free(b);
	return n;
}

static inline struct fake_request take_request(void)
{
	struct fake_request r = fake_requests[0];

	assert_true(n_fake_requests > 0);
	n_fake_requests--;
	memmove(fake_requests, fake_requests + 1, n_fake_requests * sizeof(r));
	return r;
}

/* Answer the oldest request, which must be of that kind. */
static inline void answer_module(int error, const struct unwinder_code *code)
{
	struct fake_request r = take_request();

	assert_non_null(r.opened);
	r.opened(r.userdata, r.module, error, error ? NULL : code);
	module_unref(r.module);
}

static inline void answer_page(int error, const uint32_t *words, size_t n)
{
	struct fake_request r = take_request();

	assert_non_null(r.compiled);
	r.compiled(r.userdata, r.module, r.page, error, error ? NULL : words, error ? 0 : n);
	module_unref(r.module);
}

static inline void answer_sites(int error, const struct heap_sites *sites)
{
	struct fake_request r = take_request();

	assert_non_null(r.found);
	r.found(r.userdata, r.module, error, error ? NULL : sites);
	module_unref(r.module);
}

/* As when the unwinder is freed. */
static inline void cancel_requests(void)
{
	while (n_fake_requests)
		if (fake_requests[0].opened)
			answer_module(-ECANCELED, NULL);
		else if (fake_requests[0].found)
			answer_sites(-ECANCELED, NULL);
		else
			answer_page(-ECANCELED, NULL, 0);
}

/* ---- modules ------------------------------------------------------------------------------ */

static inline struct module *open_module(const char *path)
{
	struct module *m = module_new(MODULE_FILE, path, strlen(path));

	assert_non_null(m);
	m->state = MODULE_OPEN;
	return m;
}

#endif
