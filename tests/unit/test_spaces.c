// SPDX-License-Identifier: MIT
/* Mappings of processes as programs see them: slots, arrays that are shared, replaced and
 * remembered. */
#include "process_fixture.h"

#include "collector/spaces.h"
#include "collector/tables.h"

static struct table_memory *memory;
static struct tables *tables;
static struct spaces *spaces;
static struct module *module, *other;
static struct process *process;

static void on_changed(void *userdata, const struct module *m, uint32_t entry)
{
}

static int setup(void **state)
{
	memory = heap_new();
	assert_int_equal(
		tables_new(&tables, memory, NULL, TABLES_CHUNK_BYTES, on_changed, NULL), 0);
	assert_int_equal(spaces_new(&spaces, memory, tables), 0);
	module = open_module("/lib/it.so");
	other = open_module("/lib/other.so");
	process = new_process(PID, 5, 3);
	map(process, 0x10000, module);
	fake_refusal = 0;
	return 0;
}

static int teardown(void **state)
{
	cancel_requests();
	spaces_free(spaces);
	process_unref(process);
	tables_free(tables);
	module_unref(module);
	module_unref(other);
	heap_free(memory);
	return 0;
}

/* ---- what programs see -------------------------------------------------------------------- */

/* As find_space() in bpf/unwind_bpf.h. */
static const struct tables_space *space_of(const struct process *p)
{
	const struct profd_identity *identity = process_identity(p);
	uint32_t set = (identity->pid & (TABLES_SETS - 1)) * TABLES_WAYS;

	for (uint32_t i = set; i < set + TABLES_WAYS; i++) {
		const struct tables_space *space = &memory->spaces[i];

		if (space->pid != identity->pid)
			continue;
		return space->start_boottime == identity->start_boottime &&
				       space->exec_id == identity->exec_id
			       ? space
			       : NULL;
	}
	return NULL;
}

static uint64_t array_of(const struct process *p)
{
	const struct tables_space *space = space_of(p);

	assert_non_null(space);
	return space->array;
}

static const struct tables_map *maps_of(uint64_t array, uint32_t count)
{
	assert_int_equal(TABLES_ARRAY_COUNT(array), count);
	assert_true(TABLES_ARRAY_FIRST(array) + count <= TABLES_MAPS);
	return &memory->maps[TABLES_ARRAY_FIRST(array)];
}

static void sync_after(uint64_t ns)
{
	fake_now += ns;
	spaces_sync(spaces, fake_now, fake_now);
}

static void expect_counts(uint64_t processes, uint64_t arrays, uint64_t maps)
{
	struct spaces_stats stats = spaces_stats(spaces);

	assert_int_equal(stats.processes, processes);
	assert_int_equal(stats.arrays, arrays);
	assert_int_equal(stats.maps, maps);
}

/* ---- processes ---------------------------------------------------------------------------- */

static void a_process_is_published(void **state)
{
	map(process, 0x90000, other);
	uint64_t array = spaces_publish(spaces, process);
	assert_int_not_equal(array, 0);
	assert_int_equal(array_of(process), array);
	assert_int_equal(space_of(process)->used, fake_step());
	assert_int_equal(space_of(process)->flags, 0);
	const struct tables_map *maps = maps_of(array, 2);
	assert_int_equal(maps[0].start, 0x10000);
	assert_int_equal(maps[0].pages, 16);
	assert_int_equal(maps[1].start, 0x90000);
	expect_counts(1, 1, 2);
	/* Once more: it is the same. */
	assert_int_equal(spaces_publish(spaces, process), array);
	sync_after(0);
	assert_int_equal(spaces_publish(spaces, process), array);
	expect_counts(1, 1, 2);
	assert_int_equal(spaces_stats(spaces).published, 1);
	/* Without mappings there is nothing to walk with. */
	struct process *empty = new_process(PID + 1, 6, 3);
	assert_int_equal(spaces_publish(spaces, empty), 0);
	assert_null(space_of(empty));
	map(empty, 0x10000, module);
	map(empty, 0x10000, NULL);
	assert_int_equal(spaces_publish(spaces, empty), 0);
	process_unref(empty);
}

static void forks_share_an_array_until_they_change(void **state)
{
	struct process *child = new_process(PID + 1, 9, 3);
	uint64_t array = spaces_publish(spaces, process);
	process_inherit(child, process);
	assert_int_equal(spaces_publish(spaces, child), array);
	expect_counts(2, 1, 1);
	map(child, 0x90000, other);
	assert_int_equal(array_of(child), array); /* nobody has told yet */
	sync_after(0);
	assert_int_equal(array_of(process), array);
	assert_int_not_equal(array_of(child), array);
	assert_int_not_equal(TABLES_ARRAY_VERSION(array_of(child)), TABLES_ARRAY_VERSION(array));
	assert_int_equal(maps_of(array_of(child), 2)[1].start, 0x90000);
	expect_counts(2, 2, 3);
	/* One goes: the array of the other one stays. */
	process->dead = true;
	sync_after(0);
	assert_null(space_of(process));
	expect_counts(1, 1, 2);
	process_unref(child);
}

static void mappings_change(void **state)
{
	uint64_t first = spaces_publish(spaces, process), second;
	map(process, 0x90000, other);
	second = spaces_publish(spaces, process); /* a sample came before the next sync */
	assert_int_not_equal(second, first);
	assert_int_equal(array_of(process), second);
	/* The old array is written by nobody as long as programs may read it. */
	assert_int_not_equal(TABLES_ARRAY_FIRST(second), TABLES_ARRAY_FIRST(first));
	for (unsigned i = 0; i < 3; i++) {
		map(process, 0xa0000 + i * 0x20000ULL, other);
		sync_after(SECOND / 2);
		assert_true(TABLES_ARRAY_FIRST(array_of(process)) > TABLES_ARRAY_FIRST(first));
	}
	sync_after(3 * SECOND);
	/* Later its room is used again. */
	struct process *small = new_process(PID + 1, 9, 3);
	map(small, 0x10000, module);
	assert_int_equal(
		TABLES_ARRAY_FIRST(spaces_publish(spaces, small)), TABLES_ARRAY_FIRST(first));
	process_unref(small);
	/* All gone: no mappings, no slot. */
	process_forget_code(process);
	sync_after(0);
	assert_null(space_of(process));
}

/* The grace is counted from when the array was replaced, however long nothing had been drained. */
static void room_is_kept_after_a_long_drain(void **state)
{
	uint64_t first = spaces_publish(spaces, process);
	sync_after(0);
	fake_now += 60 * SECOND;
	map(process, 0x90000, other);
	spaces_publish(spaces, process);
	sync_after(SECOND / 10);
	struct process *small = new_process(PID + 1, 9, 3);
	map(small, 0x10000, module);
	assert_int_not_equal(
		TABLES_ARRAY_FIRST(spaces_publish(spaces, small)), TABLES_ARRAY_FIRST(first));
	assert_non_null(spaces_mappings(spaces, PID, TABLES_ARRAY_VERSION(first)));
	process_unref(small);
}

static void pids_are_used_again(void **state)
{
	struct process *exec = new_process(PID, 5, 4), *later = new_process(PID, 77, 3);
	spaces_publish(spaces, process);
	/* An exec: the same pid, another image. */
	map(exec, 0x50000, other);
	spaces_publish(spaces, exec);
	assert_null(space_of(process));
	assert_int_equal(maps_of(array_of(exec), 1)->start, 0x50000);
	expect_counts(1, 1, 1);
	/* A stack of the image before is still being finished. */
	assert_int_not_equal(spaces_publish(spaces, process), 0);
	process->dead = true;
	sync_after(0);
	assert_null(space_of(process));
	map(later, 0x60000, other);
	spaces_publish(spaces, exec);
	exec->dead = true;
	spaces_publish(spaces, later);
	assert_null(space_of(exec));
	sync_after(0);
	assert_int_equal(maps_of(array_of(later), 1)->start, 0x60000);
	expect_counts(1, 1, 1);
	process_unref(exec);
	process_unref(later);
}

/* Five processes whose pids fall into one set of four: the one that was sampled longest ago goes.
 */
static void the_ways_of_a_set_are_used_up(void **state)
{
	struct process *p[TABLES_WAYS + 1];
	uint32_t set = (PID & (TABLES_SETS - 1)) * TABLES_WAYS;

	for (uint32_t i = 0; i <= TABLES_WAYS; i++) {
		p[i] = new_process(PID + i * TABLES_SETS, 5, 3);
		map(p[i], 0x10000 + 0x10000ULL * i, module);
	}
	for (uint32_t i = 0; i < TABLES_WAYS; i++)
		assert_int_not_equal(spaces_publish(spaces, p[i]), 0);
	for (uint32_t i = 0; i < TABLES_WAYS; i++) {
		assert_non_null(space_of(p[i]));
		memory->spaces[space_of(p[i]) - memory->spaces].used = i == 2 ? 10 : 20;
	}
	spaces_publish(spaces, p[TABLES_WAYS]);
	for (uint32_t i = 0; i <= TABLES_WAYS; i++)
		assert_int_equal(space_of(p[i]) != NULL, i != 2);
	expect_counts(TABLES_WAYS, TABLES_WAYS, TABLES_WAYS);
	/* Other sets are not touched, and a slot that is free is taken first. */
	p[0]->dead = true;
	sync_after(0);
	for (uint32_t i = 0; i < TABLES_WAYS; i++)
		memory->spaces[set + i].used = 1;
	spaces_publish(spaces, p[2]);
	for (uint32_t i = 1; i <= TABLES_WAYS; i++)
		assert_non_null(space_of(p[i]));
	for (uint32_t i = 0; i <= TABLES_WAYS; i++)
		process_unref(p[i]);
}

/* ---- samples that come late --------------------------------------------------------------- */

static void versions_are_remembered(void **state)
{
	struct process *child = new_process(PID + 1, 9, 3);
	uint32_t first, second;

	process_inherit(child, process);
	first = TABLES_ARRAY_VERSION(spaces_publish(spaces, process));
	const struct mappings *old = spaces_mappings(spaces, PID, first);
	assert_ptr_equal(old, process_mappings(process));
	map(process, 0x10000, other);
	sync_after(SECOND);
	second = TABLES_ARRAY_VERSION(array_of(process));
	assert_ptr_equal(spaces_mappings(spaces, PID, first), old);
	assert_ptr_equal(mappings_find(old, 0x10000)->module, module);
	assert_ptr_equal(spaces_mappings(spaces, PID, second), process_mappings(process));
	sync_after(3 * SECOND);
	assert_ptr_equal(spaces_mappings(spaces, PID, first), old);
	sync_after(2 * SECOND);
	assert_null(spaces_mappings(spaces, PID, first));
	assert_null(spaces_mappings(spaces, PID, 999));
	assert_null(spaces_mappings(spaces, PID + 5, 0));
	/* An array that is shared is there as long as anybody has it. */
	first = TABLES_ARRAY_VERSION(spaces_publish(spaces, child));
	struct process *grandchild = new_process(PID + 2, 10, 3);
	process_inherit(grandchild, child);
	spaces_publish(spaces, grandchild);
	map(child, 0x50000, other);
	sync_after(0);
	sync_after(60 * SECOND);
	assert_ptr_equal(spaces_mappings(spaces, PID + 1, first), process_mappings(grandchild));
	process_unref(child);
	process_unref(grandchild);
}

/* ---- what is known of modules and addresses ----------------------------------------------- */

static void pending_mappings_get_their_tables(void **state)
{
	struct unwinder_code code = fake_code(1);
	uint64_t array;

	map(process, 0x90000, other);
	array = spaces_publish(spaces, process);
	const struct tables_map *maps = maps_of(array, 2);
	assert_int_equal(maps[0].flags, TABLES_MAP_PENDING);
	assert_int_equal(maps[1].flags, TABLES_MAP_PENDING);
	tables_want_module(tables, other);
	answer_module(0, &code);
	assert_int_equal(maps[1].flags, TABLES_MAP_PENDING);
	spaces_module_known(spaces);
	assert_int_equal(maps[0].flags, TABLES_MAP_PENDING);
	assert_int_equal(maps[1].flags, TABLES_MAP_TABLE);
	tables_want_module(tables, module);
	answer_module(-ENOEXEC, NULL);
	spaces_module_known(spaces);
	assert_int_equal(maps[0].flags, 0);
	assert_int_equal(maps[1].flags, TABLES_MAP_TABLE);
	/* It still is the same array: what was walked by it is true. */
	assert_int_equal(array_of(process), array);
	/* Who comes later has it at once. */
	map(process, 0xb0000, other);
	sync_after(0);
	assert_int_equal(maps_of(array_of(process), 3)[2].flags, TABLES_MAP_TABLE);
	assert_int_equal(maps_of(array_of(process), 3)[0].flags, 0);
}

static void mappings_are_current_for_a_while(void **state)
{
	spaces_set_current(spaces, process); /* has no slot */
	spaces_publish(spaces, process);
	assert_int_equal(space_of(process)->flags, 0);
	spaces_set_current(spaces, process); /* before the first drain is over */
	assert_int_equal(space_of(process)->flags, TABLES_SPACE_CURRENT);
	sync_after(9 * SECOND);
	assert_int_equal(space_of(process)->flags, TABLES_SPACE_CURRENT);
	sync_after(2 * SECOND);
	assert_int_equal(space_of(process)->flags, 0);
	spaces_set_current(spaces, process);
	sync_after(SECOND);
	assert_int_equal(space_of(process)->flags, TABLES_SPACE_CURRENT);
	/* Other mappings have to be read again first. */
	map(process, 0x90000, other);
	sync_after(0);
	assert_int_equal(space_of(process)->flags, 0);
	/* Nor does the flag outlive its process. */
	spaces_set_current(spaces, process);
	process->dead = true;
	sync_after(0);
	struct process *next = new_process(PID, 99, 3);
	map(next, 0x10000, module);
	spaces_publish(spaces, next);
	assert_int_equal(space_of(next)->flags, 0);
	process_unref(next);
}

/* ---- room --------------------------------------------------------------------------------- */

static void map_many(struct process *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		map(p, 0x100000 + i * 0x20000ULL, i & 1 ? module : other);
}

static void room_is_exhausted(void **state)
{
	/* Eight of the largest arrays fill it. */
	struct process *p[9];

	for (uint32_t i = 0; i < 9; i++) {
		p[i] = new_process(PID + i, 5, 3);
		map_many(p[i], MAPPINGS_MAX);
	}
	for (uint32_t i = 0; i < 8; i++)
		assert_int_not_equal(spaces_publish(spaces, p[i]), 0);
	assert_int_equal(spaces_publish(spaces, p[8]), 0);
	assert_int_equal(spaces_publish(spaces, process), 0);
	assert_int_equal(spaces_stats(spaces).refused, 2);
	const struct tables_map *maps = maps_of(array_of(p[7]), MAPPINGS_MAX);
	assert_int_equal(maps[MAPPINGS_MAX - 1].start, 0x100000 + (MAPPINGS_MAX - 1) * 0x20000ULL);
	/* One that has changed, and has no room any more, must not be walked by what was. */
	map(p[3], 0x100000, module);
	sync_after(0);
	assert_null(space_of(p[3]));
	assert_int_equal(spaces_publish(spaces, process), 0);
	sync_after(3 * SECOND);
	assert_int_not_equal(spaces_publish(spaces, process), 0);
	assert_int_equal(spaces_stats(spaces).refused, 3);
	for (uint32_t i = 0; i < 9; i++)
		process_unref(p[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_published),
		TEST(forks_share_an_array_until_they_change),
		TEST(mappings_change),
		TEST(room_is_kept_after_a_long_drain),
		TEST(pids_are_used_again),
		TEST(the_ways_of_a_set_are_used_up),
		TEST(versions_are_remembered),
		TEST(pending_mappings_get_their_tables),
		TEST(mappings_are_current_for_a_while),
		TEST(room_is_exhausted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
