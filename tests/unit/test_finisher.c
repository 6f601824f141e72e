// SPDX-License-Identifier: MIT
/*
 * Stacks that wait until what they lack has come: a process, a mapping, a module, a page; in any
 * order, too late, or never.
 */
#include "process_fixture.h"

#include "collector/finisher.h"
#include "collector/spaces.h"
#include "collector/tables.h"
#include "stack_fixture.h"

#define MODULES	     3
#define STRIDE	     0x1000000ULL /* of their mappings */
#define MODULE_PAGES 2
#define N_KERNEL     2
#define SESSION	     7
#define MAX_DONE     5000

static struct program *p;
static struct table_memory *memory;
static struct tables *tables;
static struct spaces *spaces;
static struct finisher *finisher;
static struct process *process;
static struct module *modules[MODULES];
static uint32_t words[UNWIND_PAGE_WORDS]; /* every page has the same rules */
static size_t n_words;
static unsigned plain; /* a function whose callers are not looked at */

/* What /proc/PID/maps shows that was not known. */
static struct module *refreshed;
static uint64_t refreshed_at;
static unsigned refreshes;

bool process_refresh(struct processes *table, struct process *of, uint64_t address)
{
	refreshes++;
	if (refreshed)
		map(of, refreshed_at, refreshed);
	return mappings_find(process_mappings(of), address);
}

/* ---- what was handed on ------------------------------------------------------------------- */

static struct done {
	unsigned n_user, end, way;
	uint32_t session, mappings;
	uint64_t time;
	__u64 frames[PROFD_MAX_USER_FRAMES];
} * done;
static size_t n_done;
static void (*when_done)(void);

static void on_done(void *userdata, const struct profd_sample *s, const struct profd_miss *miss,
	struct process *of)
{
	struct done *d = &done[n_done++];

	assert_true(n_done <= MAX_DONE);
	assert_non_null(miss);
	assert_ptr_equal(of, process);
	assert_int_equal(s->n_kernel, N_KERNEL);
	assert_int_equal(s->frames[1], 0xffffffff81000001);
	assert_int_equal(
		miss->ip, s->frames[N_KERNEL + (s->flags & PROFD_SAMPLE_CAPTURED ? 0 : s->tid)]);
	*d = (struct done){
		.n_user = s->n_user,
		.end = s->user_end,
		.way = s->way,
		.session = s->session,
		.mappings = s->mappings,
		.time = s->head.time,
	};
	memcpy(d->frames, s->frames + N_KERNEL, s->n_user * sizeof(d->frames[0]));
	if (when_done)
		when_done();
}

static void on_changed(void *userdata, const struct module *m, uint32_t entry)
{
	finisher_resume(finisher, m, entry);
}

/* ---- life --------------------------------------------------------------------------------- */

static uint64_t mapped_at(unsigned module)
{
	return CODE + module * STRIDE;
}

static void map_module(unsigned i)
{
	assert_int_equal(mappings_add(&process->mappings, mapped_at(i),
				 MODULE_PAGES * UNWIND_PAGE_SIZE, 0, modules[i]),
		0);
}

static void sync_after(uint64_t ns)
{
	fake_now += ns;
	spaces_sync(spaces, fake_now, fake_now);
}

static uint64_t misses_seen(void)
{
	struct finisher_stats stats = finisher_stats(finisher);
	uint64_t sum = 0;

	for (size_t i = 0; i < PROFD_MISSING_COUNT; i++)
		sum += stats.misses[i];
	return sum;
}

static int setup(void **state)
{
	p = program_new(3);
	memory = heap_new();
	done = calloc(MAX_DONE, sizeof(*done));
	assert_true(p && memory && done);
	assert_int_equal(
		tables_new(&tables, memory, NULL, TABLES_CHUNK_BYTES, on_changed, NULL), 0);
	assert_int_equal(spaces_new(&spaces, memory, tables), 0);
	assert_int_equal(
		finisher_new(&finisher, memory, tables, spaces, NULL, 8u << 20, on_done, NULL), 0);
	n_done = refreshes = fake_asked = 0;
	refreshed = NULL;
	when_done = NULL;
	fake_refusal = 0;
	process = new_process(PID, 5, 3);
	for (unsigned i = 0; i < MODULES; i++) {
		modules[i] = open_module("/lib/it.so");
		map_module(i);
	}
	add_any_functions(p);
	plain = add_function(p, BY_SP, 3, 0);
	n_words = page_finish(&p->builder, words);
	return 0;
}

static int teardown(void **state)
{
	cancel_requests();
	finisher_free(finisher);
	spaces_free(spaces);
	process_unref(process);
	tables_free(tables);
	for (unsigned i = 0; i < MODULES; i++)
		module_unref(modules[i]);
	heap_free(memory);
	program_free(p);
	free(done);
	return 0;
}

/* ---- samples ------------------------------------------------------------------------------ */

/* A call from a function of any kind that can be walked, on a page of a module. */
static void call_from(unsigned module, unsigned page)
{
	call(p, ROOTS + draw_below(p, plain - ROOTS - (UNCOMMON - 1)), 1 + draw_below(p, 63));
	top(p)->ip += module * STRIDE + page * UNWIND_PAGE_SIZE;
}

static void begin_stack(void)
{
	p->n = 0;
	call(p, 0, 5);
	call_from(0, 0);
}

/* The program's stack becomes a sample, of which BPF has walked so many frames beyond the first. */
static void add_sample(unsigned walked, uint32_t session, uint8_t flags)
{
	union {
		struct profd_sample sample;
		char room[sizeof(struct profd_sample) + 64 * 8 + sizeof(struct profd_miss) +
			  PROFD_MISS_STACK];
	} *record = calloc(1, sizeof(*record));
	struct profd_sample *s = &record->sample;
	unsigned all = p->n;

	assert_non_null(record);
	*s = (struct profd_sample){
		.head.time = fake_now,
		.process = *process_identity(process),
		.tid = walked,
		.session = session,
		.n_kernel = N_KERNEL,
		.n_user = (uint16_t)(walked + 1),
		.user_end = PROFD_END_NOT_LOADED,
		.way = PROFD_WAY_TABLE,
		.flags = PROFD_SAMPLE_MISSED | flags,
	};
	s->frames[0] = s->frames[1] = 0xffffffff81000001;
	for (unsigned i = 0; i <= walked; i++)
		s->frames[N_KERNEL + i] = p->calls[p->n - 1 - i].ip;
	if (!(flags & PROFD_SAMPLE_CAPTURED))
		p->n -= walked;
	take_miss(p);
	p->miss.innermost = p->miss.exact = p->n == all;
	p->n = all;
	s->miss_size = (uint32_t)sizeof(p->miss) + p->miss.stack_size;
	memcpy(record->room + profd_sample_bytes(s), &p->miss, sizeof(p->miss));
	memcpy(record->room + profd_sample_bytes(s) + sizeof(p->miss), p->copied,
		p->miss.stack_size);
	finisher_add(finisher, s, process, fake_now);
	free(record); /* nothing of it is borrowed */
}

static void add(void)
{
	add_sample(0, SESSION, 0);
}

/* Answers one of the requests. */
static void answer_one(size_t i)
{
	struct fake_request r = fake_requests[i];
	struct unwinder_code code = fake_code(MODULE_PAGES);

	fake_requests[i] = fake_requests[0];
	fake_requests[0] = r;
	if (r.opened)
		answer_module(0, &code);
	else
		answer_page(0, words, n_words);
}

static void answer_all(void)
{
	while (n_fake_requests)
		answer_one(draw_below(p, (unsigned)n_fake_requests));
}

static void expect_idle(void)
{
	struct finisher_stats stats = finisher_stats(finisher);

	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.waiting_bytes, 0);
	assert_int_equal(finisher_oldest(finisher), UINT64_MAX);
}

static void expect_done(size_t i, unsigned end, unsigned n_user)
{
	assert_true(i < n_done);
	assert_int_equal(done[i].end, end);
	assert_int_equal(done[i].n_user, n_user);
	assert_int_equal(done[i].way, PROFD_WAY_FINISHED);
}

/* The last one that was handed on is the program's whole stack. */
static void expect_whole(void)
{
	__u64 frames[PROFD_MAX_USER_FRAMES];
	size_t n;

	expected_stack(p, frames, &n);
	expect_done(n_done - 1, PROFD_END_COMPLETE, (unsigned)n);
	assert_memory_equal(done[n_done - 1].frames, frames, n * sizeof(frames[0]));
}

/* ---- what is missing comes ---------------------------------------------------------------- */

static void everything_comes_in_any_order(void **state)
{
	enum { STACKS = 6 };
	__u64 expected[STACKS][PROFD_MAX_USER_FRAMES];
	size_t n[STACKS];

	for (int round = 0; round < 100; round++) {
		n_done = 0;
		for (unsigned i = 0; i < STACKS; i++) {
			unsigned depth = draw_below(p, 30);

			fake_now += SECOND / 1000;
			begin_stack();
			while (p->n < depth)
				call_from(draw_below(p, MODULES), draw_below(p, MODULE_PAGES));
			expected_stack(p, expected[i], &n[i]);
			add_sample(0, i, 0);
			if (n_fake_requests && draw(p) & 1)
				answer_one(draw_below(p, (unsigned)n_fake_requests));
		}
		answer_all();
		assert_int_equal(n_done, STACKS);
		for (unsigned i = 0; i < STACKS; i++) {
			unsigned session = done[i].session;

			expect_done(i, PROFD_END_COMPLETE, (unsigned)n[session]);
			assert_memory_equal(done[i].frames, expected[session],
				n[session] * sizeof(expected[0][0]));
		}
		expect_idle();
		/* All is forgotten, now and then. */
		if (draw_below(p, 4))
			continue;
		for (unsigned i = 0; i < MODULES; i++)
			map(process, mapped_at(i), NULL);
		process_forget_code(process);
		sync_after(10 * SECOND);
		sync_after(10 * SECOND);
		tables_settle(tables, fake_now);
		for (unsigned i = 0; i < MODULES; i++) {
			module_unref(modules[i]);
			modules[i] = open_module("/lib/it.so");
			map_module(i);
		}
	}
	assert_int_equal(misses_seen(), 100 * STACKS);
	assert_int_equal(finisher_stats(finisher).overdue, 0);
}

static void what_is_there_is_not_waited_for(void **state)
{
	begin_stack();
	add();
	assert_int_equal(n_done, 0);
	assert_int_equal(finisher_stats(finisher).waiting, 1);
	assert_int_equal(finisher_oldest(finisher), fake_now);
	answer_all();
	expect_whole();
	assert_int_equal(fake_asked, 2);
	add();
	assert_int_equal(n_done, 2);
	expect_whole();
	assert_int_equal(fake_asked, 2);
	/* The array that it was walked with. */
	assert_int_equal(done[1].mappings, TABLES_ARRAY_VERSION(spaces_publish(spaces, process)));
	expect_idle();
}

static void it_goes_on_where_bpf_stopped(void **state)
{
	begin_stack();
	for (unsigned i = 0; i < 8; i++)
		call_from(i % MODULES, 0);
	add_sample(4, SESSION, 0);
	answer_all();
	expect_whole();
	/* A capture has the stack from its beginning; what BPF has found counts no more. */
	add_sample(4, SESSION, PROFD_SAMPLE_CAPTURED);
	expect_whole();
}

static void mappings_are_read(void **state)
{
	process_forget_code(process);
	begin_stack();
	add(); /* nothing can be read */
	assert_int_equal(refreshes, 1);
	expect_done(0, PROFD_END_NOT_LOADED, 1);
	refreshed = modules[0];
	refreshed_at = mapped_at(0);
	add();
	assert_int_equal(refreshes, 2);
	answer_all();
	expect_whole();
	/* A mapping that no record told of. */
	call_from(2, 0);
	refreshed = modules[2];
	refreshed_at = mapped_at(2);
	add();
	answer_all();
	expect_whole();
	assert_int_equal(refreshes, 3);
}

static void nothing_is_mapped_there(void **state)
{
	uint64_t array;

	begin_stack();
	call_from(MODULES, 0);
	call(p, plain, 8);
	add();
	answer_all();
	expect_done(0, PROFD_END_UNMAPPED, 2);
	assert_int_equal(refreshes, 1);
	/* BPF does not ask again soon. */
	array = spaces_publish(spaces, process);
	uint32_t flags = 0;
	for (uint32_t i = 0; i < TABLES_SPACES; i++)
		if (memory->spaces[i].array == array && memory->spaces[i].pid == PID)
			flags = memory->spaces[i].flags;
	assert_int_equal(flags, TABLES_SPACE_CURRENT);
}

/* A file that is mapped beyond its code: that part is known, and has no place in the array. */
static void no_code_is_mapped_there(void **state)
{
	assert_int_equal(
		mappings_add(&process->mappings, mapped_at(1), 8 * UNWIND_PAGE_SIZE, 0, modules[1]),
		0);
	begin_stack();
	call_from(1, 5);
	call(p, plain, 8);
	add();
	answer_all();
	expect_done(0, PROFD_END_UNMAPPED, 2);
	assert_int_equal(refreshes, 0);
	uint64_t published = spaces_stats(spaces).published;
	add();
	expect_done(1, PROFD_END_UNMAPPED, 2);
	assert_int_equal(spaces_stats(spaces).published, published);
}

/* Pages that find no room serve the stacks that wait for them. */
static void pages_without_room(void **state)
{
	struct module *large = open_module("/lib/large.so");
	struct unwinder_code code = fake_code(64);
	size_t n = fake_block(words, 16250, 2);

	tables_want_module(tables, large);
	answer_module(0, &code);
	for (uint32_t i = 0; i < 17; i++) {
		tables_want_page(tables, i);
		answer_page(0, words, n);
	}
	assert_true(tables_stats(tables).refused > 0);
	uint64_t refused = tables_stats(tables).refused;
	/* 1023 units are left: so many small pages have room. */
	n = fake_block(words, 16250 - 400, 2);
	tables_want_page(tables, 20);
	answer_page(0, words, n);
	n_words = page_finish(&p->builder, words);
	memset(words + n_words, 0, sizeof(words) - n_words * sizeof(words[0]));
	n_words = UNWIND_PAGE_WORDS; /* larger than what is left */
	begin_stack();
	for (unsigned i = 0; i < 12; i++)
		call_from(i % MODULES, i % MODULE_PAGES);
	add();
	answer_all();
	assert_true(tables_stats(tables).refused > refused);
	expect_whole();
	module_unref(large);
}

/* ---- it does not come --------------------------------------------------------------------- */

static void modules_and_pages_that_cannot_be_had(void **state)
{
	begin_stack();
	add();
	answer_module(-ENOEXEC, NULL); /* by frame pointer, then */
	assert_int_equal(n_done, 1);
	assert_true(done[0].end == PROFD_END_FRAME_POINTER || done[0].end == PROFD_END_COMPLETE);
	assert_int_equal(fake_asked, 1);
	/* Asking is refused: once is enough. */
	p->n = 0;
	call(p, 0, 5);
	top(p)->ip += STRIDE;
	fake_refusal = -ENOMEM;
	add();
	assert_int_equal(n_done, 2);
	assert_int_equal(fake_asked, 2);
	fake_refusal = 0;
	/* No helper can be started now: not asked again at once, and said so. */
	p->n = 0;
	call(p, 0, 5);
	top(p)->ip += 2 * STRIDE;
	add();
	answer_one(0);
	assert_int_equal(fake_asked, 4);
	answer_page(-EAGAIN, NULL, 0);
	expect_done(2, PROFD_END_NOT_LOADED, 1);
	add();
	expect_done(3, PROFD_END_NOT_LOADED, 1);
	assert_int_equal(fake_asked, 4);
	fake_now += 20 * SECOND;
	fake_refusal = -ENOMEM;
	add();
	expect_done(4, PROFD_END_NOT_LOADED, 1);
	assert_int_equal(fake_asked, 5);
	expect_idle();
}

static void patience_ends(void **state)
{
	uint64_t start = fake_now;

	begin_stack();
	call_from(1, 0);
	add_sample(0, 1, 0);
	fake_now += SECOND;
	call_from(0, 1);
	add_sample(0, 2, 0);
	assert_int_equal(finisher_oldest(finisher), start);
	finisher_expire(finisher, start + 9 * SECOND);
	assert_int_equal(n_done, 0);
	answer_one(1); /* the second one waits for a page now */
	assert_int_equal(finisher_stats(finisher).waiting, 2);
	finisher_expire(finisher, start + 10 * SECOND);
	assert_int_equal(n_done, 1);
	assert_int_equal(done[0].session, 1);
	expect_done(0, PROFD_END_NOT_LOADED, 1);
	assert_int_equal(finisher_oldest(finisher), start + SECOND);
	finisher_expire(finisher, start + 11 * SECOND);
	assert_int_equal(n_done, 2);
	assert_int_equal(finisher_stats(finisher).overdue, 2);
	expect_idle();
	/* Answers come too late, and find nobody. */
	answer_all();
	assert_int_equal(n_done, 2);
}

static void flush_all(void)
{
	finisher_flush(finisher, SESSION);
	finisher_flush(finisher, SESSION + 1);
}

static void sessions_end(void **state)
{
	begin_stack();
	for (uint32_t i = 0; i < 6; i++)
		add_sample(0, SESSION + i % 3, 0);
	finisher_flush(finisher, SESSION + 1);
	assert_int_equal(n_done, 2);
	assert_int_equal(done[0].session, SESSION + 1);
	expect_done(1, PROFD_END_NOT_LOADED, 1);
	/* Whom a finished stack is handed to ends sessions, and so all that waits for the same. */
	when_done = flush_all;
	answer_all();
	assert_int_equal(n_done, 6);
	expect_idle();
	for (uint32_t i = 0; i < 6; i++)
		add_sample(0, SESSION + i % 2, 0);
	assert_int_equal(n_done, 12); /* all is there */
	/* The same while patience ends. */
	call_from(1, 0);
	for (uint32_t i = 0; i < 6; i++)
		add_sample(0, SESSION + i % 2, 0);
	assert_int_equal(n_done, 12);
	finisher_expire(finisher, fake_now + 11 * SECOND);
	assert_int_equal(n_done, 18);
	expect_idle();
	answer_all();
	assert_int_equal(n_done, 18);
}

/* ---- limits ------------------------------------------------------------------------------- */

static void not_too_many_wait(void **state)
{
	begin_stack();
	for (unsigned i = 0; i < 4096; i++)
		add();
	/* Each has room for all frames: so the bytes are the limit that is met. */
	uint64_t waiting = finisher_stats(finisher).waiting;
	assert_in_range(waiting, 1000, 4095);
	assert_in_range(finisher_stats(finisher).waiting_bytes, 8 << 20, (8 << 20) + 8192);
	assert_int_equal(finisher_stats(finisher).refused, 4096 - waiting);
	assert_int_equal(n_done, 4096 - waiting);
	/* As BPF left it. */
	assert_int_equal(done[0].end, PROFD_END_NOT_LOADED);
	assert_int_equal(done[0].way, PROFD_WAY_TABLE);
	assert_int_equal(done[0].n_user, 1);
	answer_all();
	assert_int_equal(n_done, 4096);
	expect_whole();
	expect_idle();
	/* Large stacks, sooner. */
	call_from(1, 0);
	top(p)->sp -= 30 << 10;
	for (unsigned i = 0; i < 400; i++)
		add();
	assert_in_range(finisher_stats(finisher).waiting, 200, 260);
}

/* ---- processes that go -------------------------------------------------------------------- */

static void the_process_ends_while_a_stack_waits(void **state)
{
	struct process *next;

	begin_stack();
	add();
	process->dead = true;
	sync_after(SECOND);
	answer_one(0);
	sync_after(SECOND);
	answer_all();
	expect_whole();
	/* An image that comes behind has the slot, whoever is still being finished. */
	next = new_process(PID, 5, 4);
	map(next, mapped_at(0), modules[0]);
	spaces_publish(spaces, next);
	call_from(1, 0);
	add();
	answer_all();
	expect_whole();
	sync_after(SECOND);
	assert_int_not_equal(spaces_publish(spaces, next), 0);
	process_unref(next);
	/* Its mappings are forgotten: there is nothing to walk with. */
	call_from(2, 0);
	add();
	process_forget_code(process);
	sync_after(SECOND);
	answer_all();
	expect_done(n_done - 1, PROFD_END_NOT_LOADED, 1);
	expect_idle();
}

/* Other code was mapped where it waits for a module. */
static void mappings_change_while_a_stack_waits(void **state)
{
	begin_stack();
	call_from(1, 0);
	add();
	map(process, mapped_at(1), modules[2]);
	answer_all();
	expect_whole(); /* the rules are the same in this test */
	call_from(2, 1);
	add();
	assert_int_equal(mappings_add(&process->mappings, mapped_at(2),
				 MODULE_PAGES * UNWIND_PAGE_SIZE, 0, NULL),
		0);
	answer_all();
	expect_done(n_done - 1, PROFD_END_UNMAPPED, 1);
}

static void the_finisher_ends_while_stacks_wait(void **state)
{
	begin_stack();
	for (int i = 0; i < 10; i++)
		add();
	cancel_requests();
	assert_int_equal(n_done, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(everything_comes_in_any_order),
		TEST(what_is_there_is_not_waited_for),
		TEST(it_goes_on_where_bpf_stopped),
		TEST(mappings_are_read),
		TEST(nothing_is_mapped_there),
		TEST(no_code_is_mapped_there),
		TEST(pages_without_room),
		TEST(modules_and_pages_that_cannot_be_had),
		TEST(patience_ends),
		TEST(sessions_end),
		TEST(not_too_many_wait),
		TEST(the_process_ends_while_a_stack_waits),
		TEST(mappings_change_while_a_stack_waits),
		TEST(the_finisher_ends_while_stacks_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
