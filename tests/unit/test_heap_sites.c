// SPDX-License-Identifier: MIT
/* Heap sites are asked for once and kept with their module; and what the helper says of them is
 * checked. */
#include <errno.h>

#include "collector/sites_answer.h"
#include "fake_unwinder.h"
#include "unwinder/protocol.h"

static const struct heap_site functions[] = {
	{.entry = 0x1000,
		.probe = 0x1003,
		.function = HEAP_FREE,
		.emulated = 1,
		.registers = {5, HEAP_NO_REGISTER, HEAP_NO_REGISTER},
		.name = "free"},
	{.entry = 0x1100,
		.probe = 0x1100,
		.function = HEAP_CALLOC,
		.emulated = 1,
		.registers = {0, 15, HEAP_NO_REGISTER},
		.throws = 1,
		.followed = 1,
		.name = "mi_new_n"},
	{.entry = 0x1fff,
		.probe = 0x1fff,
		.function = HEAP_ALIGNED,
		.registers = {HEAP_NO_REGISTER, 4, HEAP_NO_REGISTER},
		.name = "_ZnamSt11align_val_tRKSt9nothrow_t"},
};

static const uint64_t rets[] = {0x1200, 0x1ffe};

static const struct heap_probe probes[] = {
	{.kind = HEAP_PROBE_FREE, .flaw = HEAP_PROBE_PLACE},
	{.offset = 0x1800,
		.counter = 0x5000,
		.kind = HEAP_PROBE_ALLOC,
		.n_arguments = 3,
		.emulated = 1,
		.arguments = {{HEAP_REGISTER, 8, 0, 5, HEAP_NO_REGISTER, 1, {0}, 0},
			{HEAP_CONSTANT, 4, 1, HEAP_NO_REGISTER, HEAP_NO_REGISTER, 1, {0}, -1},
			{HEAP_MEMORY, 8, 0, HEAP_ARGUMENT_IP, HEAP_NO_REGISTER, 1, {0}, 64}}},
	{.offset = 0x1800,
		.kind = HEAP_PROBE_FREE,
		.n_arguments = 1,
		.arguments = {{HEAP_MEMORY, 8, 0, HEAP_NO_REGISTER, 3, 8, {0}, 0}}},
};

static const struct heap_sites some = {
	.allocator = HEAP_MIMALLOC,
	.n_sites = 3,
	.n_probes = 3,
	.n_rets = 2,
	.sites = functions,
	.probes = probes,
	.rets = rets,
};

/* ---- asking --------------------------------------------------------------------------------- */

struct answer {
	unsigned n;
	int error;
	const struct heap_sites *sites;
};

static void on_sites(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	struct answer *a = userdata;

	a->n++;
	a->error = error;
	a->sites = sites;
}

static struct answer ask(struct module *m)
{
	struct answer a = {0};

	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	return a;
}

static void the_helper_is_asked_once(void **state)
{
	struct module *m = open_module("/lib/libc.so");
	struct answer a = {0}, b = {0}, c;

	assert_null(heap_sites_of(m));
	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &b), 0);
	assert_int_equal(n_fake_requests, 1);
	assert_int_equal(a.n, 0);
	assert_null(heap_sites_of(m));
	answer_sites(0, &some);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n, 1);
	assert_ptr_equal(a.sites, heap_sites_of(m));
	assert_ptr_equal(b.sites, a.sites);

	/* They are the module's own. */
	assert_ptr_not_equal(a.sites->sites, functions);
	assert_memory_equal(a.sites->sites, functions, sizeof(functions));
	assert_memory_equal(a.sites->probes, probes, sizeof(probes));
	assert_ptr_not_equal(a.sites->rets, rets);
	assert_memory_equal(a.sites->rets, rets, sizeof(rets));
	assert_int_equal(a.sites->allocator, HEAP_MIMALLOC);
	c = ask(m);
	assert_int_equal(c.n, 1);
	assert_ptr_equal(c.sites, a.sites);
	assert_int_equal(n_fake_requests, 0);
	module_unref(m);
}

static void nothing_is_an_answer(void **state)
{
	static const struct heap_sites none = {.no_symbols = true};
	struct module *m = open_module("/bin/true");
	struct answer a = {0};

	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	answer_sites(0, &none);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.sites->n_sites, 0);
	assert_true(a.sites->no_symbols);
	assert_ptr_equal(heap_sites_of(m), a.sites);
	module_unref(m);
}

static void what_may_work_later_is_asked_again(void **state)
{
	struct module *m = open_module("/lib/libc.so");
	struct answer a = {0};

	fake_refusal = -ENOMEM;
	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), -ENOMEM);
	fake_refusal = 0;
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
		assert_int_equal(n_fake_requests, 1);
		answer_sites(-EAGAIN, NULL);
		assert_int_equal(a.n, i);
		assert_int_equal(a.error, -EAGAIN);
		assert_null(a.sites);
	}
	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	answer_sites(-EIO, NULL);
	assert_int_equal(a.error, -EIO);
	a = ask(m);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.error, -EIO);
	assert_null(heap_sites_of(m));
	assert_int_equal(n_fake_requests, 0);
	module_unref(m);
}

static void a_file_under_two_keys_is_one(void **state)
{
	struct module *m = open_module("/lib/libc.so"), *other = open_module("/usr/lib/libc.so");
	struct answer a = {0}, b = {0};

	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	assert_int_equal(heap_sites_ask(NULL, other, on_sites, &b), 0);
	other->same = module_ref(m); /* that comes out when it is opened */
	assert_int_equal(n_fake_requests, 2);
	answer_sites(0, &some);
	answer_sites(0, &some);
	assert_ptr_equal(a.sites, b.sites);
	assert_ptr_equal(heap_sites_of(other), heap_sites_of(m));
	assert_ptr_equal(ask(other).sites, a.sites);
	module_unref(other);
	module_unref(m);
}

static void open_requests_are_cancelled(void **state)
{
	struct module *m = open_module("/lib/libc.so");
	struct answer a = {0};

	assert_int_equal(heap_sites_ask(NULL, m, on_sites, &a), 0);
	cancel_requests();
	assert_int_equal(a.n, 1);
	assert_int_equal(a.error, -ECANCELED);
	module_unref(m);
}

/* Who is told asks again, or about something else. */
static void ask_again(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	assert_int_equal(heap_sites_ask(NULL, module, on_sites, userdata), 0);
}

static void asking_from_an_answer(void **state)
{
	struct module *m = open_module("/lib/libc.so");
	struct answer a = {0};

	assert_int_equal(heap_sites_ask(NULL, m, ask_again, &a), 0);
	assert_int_equal(heap_sites_ask(NULL, m, ask_again, &a), 0);
	answer_sites(-EAGAIN, NULL);
	assert_int_equal(a.n, 0);
	assert_int_equal(n_fake_requests, 1);
	answer_sites(0, &some);
	assert_int_equal(a.n, 2);
	module_unref(m);
}

/* ---- checking ------------------------------------------------------------------------------- */

struct message {
	struct unwinder_sites head;
	struct heap_site sites[3];
	struct heap_probe probes[3];
	uint64_t rets[2];
};

static struct message good_message(void)
{
	struct message m = {
		.head = {.allocator = HEAP_MIMALLOC,
			.n_sites = 3,
			.n_probes = 3,
			.n_rets = 2,
			.layout = {.low = 0x10000,
				.n_pages = 1,
				.n_segments = 2,
				.segments = {{0x11000, 0x1000, 0x1000}, {0x14000, 0x3000, 0x10}}}},
	};

	memcpy(m.sites, functions, sizeof(functions));
	memcpy(m.probes, probes, sizeof(probes));
	memcpy(m.rets, rets, sizeof(rets));
	return m;
}

static bool is_good(const struct message *m, size_t size)
{
	struct heap_sites sites;

	return !sites_answer_check(&sites, m, size);
}

static void good_answers_pass(void **state)
{
	struct message m = good_message();
	struct heap_sites sites;

	assert_int_equal(sites_answer_check(&sites, &m, sizeof(m)), 0);
	assert_int_equal(sites.n_sites, 3);
	assert_ptr_equal(sites.sites, m.sites);
	assert_ptr_equal(sites.probes, m.probes);
	assert_int_equal(sites.n_rets, 2);
	assert_ptr_equal(sites.rets, m.rets);
	m.head.n_sites = m.head.n_probes = m.head.n_rets = 0;
	assert_int_equal(sites_answer_check(&sites, &m, sizeof(m.head)), 0);
}

#define REFUSED(change)                               \
	do {                                          \
		struct message m = good_message();    \
		change;                               \
		assert_false(is_good(&m, sizeof(m))); \
	} while (0)

static void broken_answers_are_refused(void **state)
{
	struct message good = good_message();

	for (size_t size = 0; size < sizeof(good); size++)
		assert_false(is_good(&good, size));
	REFUSED(m.head.n_sites = 2);
	REFUSED(m.head.n_sites = UINT32_MAX);
	REFUSED(m.head.n_probes = UINT32_MAX);
	REFUSED(m.head.allocator = HEAP_ALLOCATORS);
	REFUSED(m.head.no_symbols = 2);
	REFUSED(m.head.layout.n_segments = 0);

	REFUSED(m.sites[0].entry = 0xfff);
	REFUSED(m.sites[2].entry = m.sites[2].probe = 0x2000);
	REFUSED(m.sites[2].probe = 0x2000);
	REFUSED(m.sites[2].probe = 0x3000);
	REFUSED(m.sites[1].probe = 0x10ff);
	REFUSED(m.sites[1].probe = 0x1200);
	REFUSED(m.sites[1].entry = 0x1000);
	REFUSED(m.sites[0].function = HEAP_FUNCTIONS);
	REFUSED(m.sites[0].emulated = 2);
	REFUSED(m.sites[0].throws = 2);
	REFUSED(m.sites[0].registers[0] = 16);
	REFUSED(m.sites[0].registers[0] = HEAP_NO_REGISTER);
	REFUSED(m.sites[0].registers[1] = 4);
	REFUSED(m.sites[0].name[0] = '\0');
	REFUSED(m.sites[0].name[1] = '\n');
	REFUSED(memset(m.sites[0].name, 'a', HEAP_MAX_NAME));
}

/* Nobody is followed without any, and without anybody there are none. */
static void broken_rets_are_refused(void **state)
{
	struct message none = good_message();

	none.head.n_rets = 0;
	assert_false(is_good(&none, sizeof(none) - sizeof(none.rets)));
	none.sites[1].throws = none.sites[1].followed = 0;
	assert_true(is_good(&none, sizeof(none) - sizeof(none.rets)));
	REFUSED(m.sites[1].throws = m.sites[1].followed = 0);
	REFUSED(m.sites[1].throws = 0);
	REFUSED(m.sites[1].followed = 2);
	REFUSED(m.head.n_rets = UINT32_MAX);
	REFUSED(m.head.n_rets = HEAP_MAX_RETS + 1);
	REFUSED(m.rets[0] = 0xfff);
	REFUSED(m.rets[1] = 0x2000);
	REFUSED(m.rets[1] = m.rets[0]);
}

static void broken_probes_are_refused(void **state)
{
	REFUSED(m.probes[0].flaw = HEAP_PROBE_FLAWS);
	REFUSED(m.probes[0].flaw = 0);
	REFUSED(m.probes[0].n_arguments = 1);
	REFUSED(m.probes[0].offset = 0x1801);
	REFUSED(m.probes[1].kind = 2);
	REFUSED(m.probes[1].kind = HEAP_PROBE_FREE);
	REFUSED(m.probes[1].offset = 0x800);
	REFUSED(m.probes[1].counter = 1);
	REFUSED(m.probes[1].counter = 1ULL << 32);
	REFUSED(m.probes[1].emulated = 2);
	REFUSED(m.probes[1].n_arguments = 1);
	REFUSED(m.probes[1].n_arguments = 4);
	REFUSED(m.probes[2].n_arguments = 0);
	REFUSED(m.probes[1].arguments[0].base = 16);
	REFUSED(m.probes[1].arguments[0].index = 0);
	REFUSED(m.probes[1].arguments[0].size = 3);
	REFUSED(m.probes[1].arguments[0].kind = 3);
	REFUSED(m.probes[1].arguments[1].base = 0);
	REFUSED(m.probes[1].arguments[1].is_signed = 2);
	REFUSED(m.probes[1].arguments[2].base = 17);
	REFUSED(m.probes[1].arguments[2].index = 16);
	REFUSED(m.probes[2].arguments[0].index = HEAP_NO_REGISTER);
	REFUSED(m.probes[2].arguments[0].scale = 0);
}

static void all_have_words(void **state)
{
	for (enum heap_allocator a = 0; a < HEAP_ALLOCATORS; a++)
		assert_non_null(heap_allocator_name(a));
	for (enum heap_probe_flaw f = 0; f < HEAP_PROBE_FLAWS; f++)
		assert_int_equal(!*heap_probe_explain(f), f == HEAP_PROBE_GOOD);
	assert_string_equal(heap_allocator_name(HEAP_JEMALLOC), "jemalloc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_helper_is_asked_once),
		cmocka_unit_test(nothing_is_an_answer),
		cmocka_unit_test(what_may_work_later_is_asked_again),
		cmocka_unit_test(a_file_under_two_keys_is_one),
		cmocka_unit_test(open_requests_are_cancelled),
		cmocka_unit_test(asking_from_an_answer),
		cmocka_unit_test(good_answers_pass),
		cmocka_unit_test(broken_answers_are_refused),
		cmocka_unit_test(broken_rets_are_refused),
		cmocka_unit_test(broken_probes_are_refused),
		cmocka_unit_test(all_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
