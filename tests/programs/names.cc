// SPDX-License-Identifier: MIT
// names SECONDS - burns in functions whose names must be demangled: a template, a member of a class
// in an anonymous namespace, and a lambda.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

static volatile uint64_t sink;
using clock_type = std::chrono::steady_clock;

namespace outer
{
template <typename T> [[gnu::noinline]] void burn_template(T steps)
{
	for (T i = 0; i < steps; i++)
		sink = sink * 3 + 1;
}

namespace
{
class Burner
{
      public:
	[[gnu::noinline]] void member(int steps) const
	{
		for (int i = 0; i < steps; i++)
			sink = sink * 5 + 1;
	}
};
} // namespace
} // namespace outer

int main(int argc, char **argv)
{
	auto end = clock_type::now() +
		   std::chrono::duration<double>(argc > 1 ? std::strtod(argv[1], nullptr) : 5);
	auto lambda = [](int steps) __attribute__((noinline))
	{
		for (int i = 0; i < steps; i++)
			sink = sink * 7 + 1;
	};

	std::puts("ready");
	std::fflush(stdout);
	while (clock_type::now() < end) {
		outer::burn_template<long>(100000);
		outer::Burner().member(100000);
		lambda(100000);
	}
	return 0;
}
