// SPDX-License-Identifier: MIT
/*
 * exceptions SECONDS - throws through templates, again and again; burns before it throws, in a
 * destructor while the exception passes, and in the handler.
 */
#include "spin.h"

namespace outer
{
struct Guard {
	FRAME ~Guard()
	{
		spin(MS);
	}
};

template <typename T> struct Thrower {
	T value;

	FRAME void raise(int depth)
	{
		Guard guard;

		if (depth)
			raise(depth - 1);
		else
			raise_here();
		STAY();
	}
	FRAME void raise_here()
	{
		spin(MS);
		throw value;
	}
};

template <typename T> FRAME void handle(const T &)
{
	spin(MS);
	STAY();
}

template <typename T> FRAME void attempt(T value)
{
	Thrower<T> thrower{value};

	try {
		thrower.raise(3);
	} catch (const T &caught) {
		handle(caught);
	}
	STAY();
}
} // namespace outer

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;) {
		outer::attempt<int>(1);
		outer::attempt<double>(1.5);
	}
}
