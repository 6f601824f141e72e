// SPDX-License-Identifier: MIT
/*
 * containers N - C++ allocates, N times with each operator and in containers of known size, and
 * frees with all operators. What cannot be had must throw. Prints "bytes" and "objects".
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "truth.h"

/* Whatever it has is used. */
#define KEEP(object) __asm__ volatile("" : : "r"(&(object)) : "memory")

static unsigned long long bytes, objects;

static void count(size_t size)
{
	bytes += size;
	objects++;
}

struct alignas(64) wide {
	char room[192];
};

static void with_operators(size_t size)
{
	void *pointer = ::operator new(size);

	count(size);
	::operator delete(pointer);
	pointer = ::operator new(size);
	count(size);
	::operator delete(pointer, size);
	pointer = ::operator new[](size);
	count(size);
	::operator delete[](pointer);
	pointer = ::operator new[](size);
	count(size);
	::operator delete[](pointer, size);
	pointer = ::operator new(size, std::nothrow);
	count(size);
	::operator delete(pointer, std::nothrow);
	pointer = ::operator new[](size, std::nothrow);
	count(size);
	::operator delete[](pointer, std::nothrow);
}

static void with_alignment(size_t size)
{
	const auto alignment = static_cast<std::align_val_t>(128);
	void *pointer = ::operator new(size, alignment);

	MUST((uintptr_t)pointer % 128 == 0);
	count(size);
	::operator delete(pointer, alignment);
	pointer = ::operator new(size, alignment);
	count(size);
	::operator delete(pointer, size, alignment);
	pointer = ::operator new[](size, alignment);
	count(size);
	::operator delete[](pointer, alignment);
	pointer = ::operator new[](size, alignment);
	count(size);
	::operator delete[](pointer, size, alignment);
	pointer = ::operator new(size, alignment, std::nothrow);
	count(size);
	::operator delete(pointer, alignment, std::nothrow);
	pointer = ::operator new[](size, alignment, std::nothrow);
	count(size);
	::operator delete[](pointer, alignment, std::nothrow);
	auto one = std::make_unique<wide>();
	KEEP(one);
	count(sizeof(wide));
}

static void in_containers(size_t size)
{
	std::vector<char> vector(size);
	std::string string(size + 100, 'x');
	std::list<int> list;
	std::map<int, int> map;

	count(size);
	count(size + 101);
	for (int i = 0; i < 10; i++) {
		list.push_back(i);
		count(sizeof(void *) * 3);
		map[i] = i;
		count(sizeof(void *) * 5);
	}
	KEEP(vector);
	KEEP(string);
}

static void too_much()
{
	size_t size = PTRDIFF_MAX - 4096;
	bool thrown = false;

	HIDE(size);
	MUST(::operator new(size, std::nothrow) == nullptr);
	try {
		::operator delete(::operator new(size));
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	MUST(thrown);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 10;

	begin();
	for (int i = 0; i < n; i++) {
		with_operators(16 + (size_t)i % 100 * 24);
		with_alignment(128 + (size_t)i % 10 * 256);
		in_containers(100 + (size_t)i % 100);
	}
	end();
	too_much();
	printf("bytes %llu\nobjects %llu\n", bytes, objects);
	return 0;
}
