// SPDX-License-Identifier: MIT
/*
 * gperf: a program that was linked with gperftools, as its users have them: HEAPPROFILE=PREFIX and
 * CPUPROFILE=FILE make it write what pprof PROGRAM FILE reads.
 */
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#define NOT_INLINED __attribute__((noinline))

static std::vector<void *> kept;

NOT_INLINED static void keep(size_t size)
{
	kept.push_back(malloc(size));
}

NOT_INLINED static void keep_many(int n)
{
	for (int i = 0; i < n; i++)
		keep(10000);
}

namespace shop
{
class basket
{
	std::map<int, std::string> items;

      public:
	NOT_INLINED void fill(int n)
	{
		for (int i = 0; i < n; i++)
			items[i] = std::string(200, 'x');
	}
};
} // namespace shop

static volatile double sink;

static inline __attribute__((always_inline)) void add(int i)
{
	sink = sink + i * 0.5;
}

NOT_INLINED static void spin_long(void)
{
	for (int i = 0; i < 60000000; i++)
		add(i);
}

NOT_INLINED static void spin_short(void)
{
	for (int i = 0; i < 20000000; i++)
		add(i);
}

int main(void)
{
	shop::basket *basket = new shop::basket;

	basket->fill(20000);
	keep_many(2000);
	spin_long();
	spin_short();
}
