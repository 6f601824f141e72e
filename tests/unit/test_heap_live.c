// SPDX-License-Identifier: MIT
/* What the kernel remembers of a heap: what the collector forgets, the filter does not count any
 * more. Needs root, as BPF maps do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>

#include "collector/heap_live.h"
#include "profd/abi.h"
#include "util/cleanup.h"

#define SLOT  3
#define PID   42
#define STAMP 7

struct fixture {
	int tables, filters;
	struct heap_live *live;
};

/* A map of maps like this one. */
static int outer(int type, uint32_t key, uint32_t value, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, inner_options, .map_flags = flags);
	_cleanup_close_ int inner = bpf_map_create(
		(enum bpf_map_type)type, NULL, key, value, 1, &inner_options);
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = (uint32_t)inner);
	int fd;

	assert_true(inner >= 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, sizeof(uint32_t), sizeof(uint32_t),
		PROFD_MAX_SESSIONS, &options);
	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	static struct fixture f;

	f.tables = outer(BPF_MAP_TYPE_HASH, sizeof(struct profd_live), sizeof(uint32_t), 0);
	f.filters = outer(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct profd_live_filter),
		BPF_F_MMAPABLE);
	assert_int_equal(heap_live_new(&f.live, f.tables, f.filters), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	heap_live_free(f->live);
	close_fd(f->tables);
	close_fd(f->filters);
	return 0;
}

/* The map that programs find; -1: none. */
static int inner_of(int maps)
{
	uint32_t slot = SLOT, id = 0;

	return bpf_map_lookup_elem(maps, &slot, &id) ? -1 : bpf_map_get_fd_by_id(id);
}

/* As programs do. */
static void add(int table, struct profd_live_filter *filter, uint64_t address)
{
	const struct profd_live key = {.address = address, .tgid = PID};
	const uint32_t stamp = STAMP;

	filter->counts[profd_live_bucket(address)]++;
	assert_int_equal(bpf_map_update_elem(table, &key, &stamp, BPF_NOEXIST), 0);
}

static void test_what_is_forgotten_is_not_counted(void **state)
{
	const uint64_t page = 0x7f0012345000, other = page + 0x1000;
	struct fixture *f = *state;
	struct profd_live_filter *filter;

	assert_int_equal(heap_live_open(f->live, SLOT, 8), 0);
	_cleanup_close_ int table = inner_of(f->tables), map = inner_of(f->filters);
	assert_true(table >= 0 && map >= 0);
	filter = mmap(NULL, sizeof(*filter), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	assert_ptr_not_equal(filter, MAP_FAILED);
	add(table, filter, page + 16);
	add(table, filter, page + 32);
	add(table, filter, other);
	assert_int_equal(filter->counts[profd_live_bucket(page)], 2);

	heap_live_forget(f->live, SLOT, page + 16, PID, STAMP);
	assert_int_equal(filter->counts[profd_live_bucket(page)], 1);
	/* Forgotten already, another's, and never there. */
	heap_live_forget(f->live, SLOT, page + 16, PID, STAMP);
	heap_live_forget(f->live, SLOT, page + 32, PID + 1, STAMP);
	heap_live_forget(f->live, SLOT, page + 48, PID, STAMP);
	heap_live_forget(f->live, SLOT + 1, page + 32, PID, STAMP);
	/* And one that was allocated anew since. */
	heap_live_forget(f->live, SLOT, page + 32, PID, STAMP - 1);
	assert_int_equal(filter->counts[profd_live_bucket(page)], 1);
	assert_int_equal(filter->counts[profd_live_bucket(other)], 1);
	munmap(filter, sizeof(*filter));
}

static void test_each_session_begins_empty(void **state)
{
	struct fixture *f = *state;
	int first;

	assert_int_equal(heap_live_table(f->live, SLOT), -1);
	assert_int_equal(heap_live_open(f->live, SLOT, 8), 0);
	first = heap_live_table(f->live, SLOT);
	assert_true(first >= 0);
	assert_int_equal(heap_live_open(f->live, SLOT, 8), 0);
	assert_int_equal(heap_live_table(f->live, SLOT), first);
	{
		_cleanup_close_ int table = inner_of(f->tables);
		static struct profd_live_filter unused;

		add(table, &unused, 0x1000);
	}
	heap_live_close(f->live, SLOT);
	heap_live_close(f->live, SLOT);
	assert_int_equal(heap_live_table(f->live, SLOT), -1);
	assert_int_equal(inner_of(f->tables), -1);
	assert_int_equal(inner_of(f->filters), -1);

	assert_int_equal(heap_live_open(f->live, SLOT, 8), 0);
	_cleanup_close_ int table = inner_of(f->tables);
	struct profd_live key;
	assert_int_not_equal(bpf_map_get_next_key(table, NULL, &key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_is_forgotten_is_not_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_session_begins_empty, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
