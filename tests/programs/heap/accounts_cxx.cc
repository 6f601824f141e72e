// SPDX-License-Identifier: MIT
/*
 * accounts_cxx [N [MIB]] - waits for a line, then allocates in every way that C++ has, in functions
 * that each keep an account, which it prints at the end (accounts.h). N times it asks for what
 * cannot be had, and catches what is thrown, in functions that keep none: the exceptions are
 * allocated, too. With MIB it does nothing but allocate until it has about so much more memory than
 * before, and no more can be had, not even once the handler of operator new has freed some.
 */
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "accounts.h"

/* Whatever it has is used. */
#define KEEP(object) __asm__ volatile("" : : "r"(&(object)) : "memory")

static const int N = 100;
static const auto alignment = static_cast<std::align_val_t>(128);

/* Adds it, and frees it unless it is the turn of this one to be kept. */
#define USE(account, turn, size, make, release) \
	do {                                    \
		void *pointer = make;           \
                                                \
		HIDE(pointer);                  \
		add(account, pointer, size);    \
		if ((turn) % 5) {               \
			release;                \
			gone(account, size);    \
		}                               \
	} while (0)

ACCOUNT(by_new)
{
	for (int i = 0; i < N; i++) {
		size_t size = 16 + (size_t)i * 24;

		USE(account, i, size, ::operator new(size), ::operator delete(pointer));
		USE(account, i, size, ::operator new(size), ::operator delete(pointer, size));
		USE(account, i, size, ::operator new[](size), ::operator delete[](pointer));
		USE(account, i, size, ::operator new[](size), ::operator delete[](pointer, size));
	}
}

ACCOUNT(by_aligned_new)
{
	for (int i = 0; i < N; i++) {
		size_t size = 128 + (size_t)i % 10 * 256;

		USE(account, i, size, ::operator new(size, alignment),
			::operator delete(pointer, alignment));
		USE(account, i, size, ::operator new(size, alignment),
			::operator delete(pointer, size, alignment));
		USE(account, i, size, ::operator new[](size, alignment),
			::operator delete[](pointer, alignment));
		USE(account, i, size, ::operator new[](size, alignment),
			::operator delete[](pointer, size, alignment));
	}
}

ACCOUNT(by_new_that_does_not_throw)
{
	for (int i = 0; i < N; i++) {
		size_t size = 128 + (size_t)i % 10 * 256; /* of the alignment */

		USE(account, i, size, ::operator new(size, std::nothrow),
			::operator delete(pointer, std::nothrow));
		USE(account, i, size, ::operator new[](size, std::nothrow),
			::operator delete[](pointer, std::nothrow));
		USE(account, i, size, ::operator new(size, alignment, std::nothrow),
			::operator delete(pointer, alignment, std::nothrow));
		USE(account, i, size, ::operator new[](size, alignment, std::nothrow),
			::operator delete[](pointer, alignment, std::nothrow));
	}
}

/* Of a vector that grows each size is known when it has it. */
ACCOUNT(by_containers)
{
	static std::list<uint64_t> list;
	static std::map<uint64_t, uint64_t> map;
	std::vector<uint64_t> vector;

	for (uint64_t i = 0; i < N; i++) {
		std::string string(i + 100, 'x');
		size_t had = vector.capacity() * sizeof(i);

		KEEP(string);
		add(account, string.data(), i + 101);
		gone(account, i + 101);
		vector.push_back(i);
		if (vector.capacity() * sizeof(i) != had) {
			add(account, vector.data(), vector.capacity() * sizeof(i));
			if (had)
				gone(account, had);
		}
		list.push_back(i);
		add(account, &list, 3 * sizeof(void *));
		map[i] = i;
		add(account, &map, 6 * sizeof(void *));
		if (i % 2)
			continue;
		list.pop_front();
		gone(account, 3 * sizeof(void *));
	}
	gone(account, vector.capacity() * sizeof(uint64_t));
}

/* What one thread makes, and another destroys. */
static std::vector<std::unique_ptr<char[]>> handed_over;

ACCOUNT(freed_by_another_thread)
{
	handed_over.reserve(N);
	add(account, handed_over.data(), N * sizeof(handed_over[0]));
	for (size_t i = 0; i < N; i++) {
		handed_over.emplace_back(new char[500]);
		add(account, handed_over[i].get(), 500);
	}
	for (int i = 0; i < N; i++)
		gone(account, 500);
}

__attribute__((noipa)) static void have_it_freed()
{
	std::thread thread([] { handed_over.clear(); });

	thread.join();
}

/* ---- what cannot be had --------------------------------------------------------------------- */

static void *ask_for(size_t size, int how)
{
	switch (how) {
	case 0:
		return ::operator new(size);
	case 1:
		return ::operator new[](size);
	case 2:
		return ::operator new(size, alignment);
	default:
		return ::operator new[](size, alignment);
	}
}

static void have_nothing()
{
	size_t size = PTRDIFF_MAX - 4096;

	HIDE(size);
	MUST(!::operator new(size, std::nothrow));
	MUST(!::operator new[](size, std::nothrow));
	MUST(!::operator new(size, alignment, std::nothrow));
	MUST(!::operator new[](size, alignment, std::nothrow));
}

/* It is thrown through functions that a probe waits for, from here or from further down. */
__attribute__((noipa)) static void fail(int how, int depth)
{
	size_t size = PTRDIFF_MAX - 4096;
	volatile char room[200] = {0};

	if (depth) {
		fail(how, depth - 1);
		room[0]++;
		return;
	}
	HIDE(size);
	::operator delete(ask_for(size, how));
}

__attribute__((noipa)) static void catch_it(int how, int depth)
{
	bool thrown = false;

	try {
		fail(how, depth);
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	MUST(thrown);
}

ACCOUNT(after_a_throw)
{
	USE(account, account->objects, 700, ::operator new(700, std::nothrow),
		::operator delete(pointer));
	USE(account, account->objects, 800, malloc(800), free(pointer));
	USE(account, account->objects, 900, ::operator new(900), ::operator delete(pointer));
}

static void throw_and_go_on(int n)
{
	OPEN(after_a_throw);
	for (int i = 0; i < n; i++) {
		have_nothing();
		catch_it(i % 4, i % 7);
		after_a_throw(&account_of_after_a_throw);
	}
}

/* ---- a limit of its own --------------------------------------------------------------------- */

static void limit_memory(size_t mib)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages;
	struct rlimit limit;

	MUST(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * 4096 + (mib << 20);
	MUST(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void *reserve;
static int handled;

static void give_it_back()
{
	handled++;
	if (!reserve)
		std::set_new_handler(nullptr);
	::operator delete(reserve);
	reserve = nullptr;
}

ACCOUNT(all_there_is)
{
	static void *pointers[1000];
	int n = 0;

	try {
		for (; n < 1000; n++) {
			pointers[n] = ::operator new(1 << 20);
			add(account, pointers[n], 1 << 20);
		}
	} catch (const std::bad_alloc &) {
	}
	MUST(n > 0 && n < 1000 && handled == 2);
	while (n--) {
		::operator delete(pointers[n]);
		gone(account, 1 << 20);
	}
}

/* So that all code is known before what counts. */
static void *warm_up(void *unused)
{
	void *pointers[] = {::operator new(1), ::operator new(1 << 20), ::operator new[](1),
		malloc(1), ::operator new(1, std::nothrow), ::operator new[](1, std::nothrow)};

	for (void *pointer : pointers) {
		HIDE(pointer);
		free(pointer);
	}
	return unused;
}

int main(int argc, char **argv)
{
	if (!wait_for_a_line())
		return 1;
	warm_up(nullptr);
	std::thread([] { warm_up(nullptr); }).join();
	usleep(300000);
	if (argc > 2) {
		reserve = ::operator new(32 << 20);
		std::set_new_handler(give_it_back);
		limit_memory((size_t)argument(argc, argv, 2, 300));
		RUN(all_there_is);
		print_accounts();
		return 0;
	}
	throw_and_go_on((int)argument(argc, argv, 1, N));
	RUN(by_new);
	RUN(by_aligned_new);
	RUN(by_new_that_does_not_throw);
	RUN(by_containers);
	RUN(freed_by_another_thread);
	have_it_freed();
	print_accounts();
	fflush(stdout);
	_exit(0); /* what static objects have is in use */
}
