// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "collector/counts.h"

#define N_CPUS 3
#define SLOT   2

static struct profd_cpu cpus[N_CPUS];

static int setup(void **state)
{
	struct counts *c;

	memset(cpus, 0, sizeof(cpus));
	assert_int_equal(counts_new(&c, cpus, N_CPUS), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	counts_free(*state);
	return 0;
}

static void sums_what_each_cpu_counts_of_one_session(void **state)
{
	struct profd_counters sum;

	for (unsigned cpu = 0; cpu < N_CPUS; cpu++) {
		cpus[cpu].counters[SLOT].taken = 1 + cpu;
		cpus[cpu].counters[SLOT].spent = 10 + cpu;
		cpus[cpu].counters[SLOT + 1].taken = 1000;
		cpus[cpu].heap[SLOT].calls = 100 + cpu;
		cpus[cpu].heap[SLOT].rets = 200 + cpu;
	}
	counts_session(*state, SLOT, &sum);
	assert_int_equal(sum.taken, 6);
	assert_int_equal(sum.spent, 33);
	assert_int_equal(sum.filtered, 0);
	assert_int_equal(counts_heap_calls(*state, SLOT), 303);
	assert_int_equal(counts_heap_rets(*state, SLOT), 603);

	counts_zero(*state, SLOT);
	counts_session(*state, SLOT, &sum);
	assert_int_equal(sum.taken, 0);
	assert_int_equal(counts_heap_calls(*state, SLOT), 0);
	counts_session(*state, SLOT + 1, &sum);
	assert_int_equal(sum.taken, 3000);
}

static void a_seed_is_another_one_on_each_cpu_and_not_without_one(void **state)
{
	cpus[0].random = 5;
	counts_zero(*state, SLOT);
	assert_int_equal(cpus[0].random, 5);
	counts_seed(*state, 7);
	counts_zero(*state, SLOT);
	assert_int_equal(cpus[0].random, 7);
	assert_true(cpus[1].random != cpus[0].random && cpus[1].random != cpus[2].random);
}

static void meters_leave_some_for_others_and_are_lent_again(void **state)
{
	unsigned n = 0, meter, last = 0;

	while ((meter = counts_take_meter(*state, 10))) {
		last = meter;
		n++;
	}
	assert_int_equal(n, PROFD_METERS - 1 - 10);
	assert_int_not_equal(counts_take_meter(*state, 9), 0);

	counts_give_meter(*state, last);
	counts_give_meter(*state, last);
	assert_int_equal(counts_take_meter(*state, 9), last);
	assert_int_equal(counts_take_meter(*state, 9), 0);
	counts_give_meter(*state, 0);
	assert_int_equal(counts_take_meter(*state, 9), 0);

	cpus[0].meters[last] = 4;
	cpus[2].meters[last] = 5;
	assert_int_equal(counts_meter(*state, last), 9);
}

static void places_are_lent_until_there_is_none(void **state)
{
	unsigned n = 0, place, last = 0;

	while ((place = counts_take_place(*state))) {
		last = place;
		n++;
	}
	assert_int_equal(n, PROFD_PLACES - 1);
	counts_give_place(*state, last);
	assert_int_equal(counts_take_place(*state), last);

	cpus[1].places[last] = 6;
	cpus[2].places[last] = 1;
	assert_int_equal(counts_place(*state, last), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			sums_what_each_cpu_counts_of_one_session, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_seed_is_another_one_on_each_cpu_and_not_without_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			meters_leave_some_for_others_and_are_lent_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			places_are_lent_until_there_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
