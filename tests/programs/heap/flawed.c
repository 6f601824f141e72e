// SPDX-License-Identifier: MIT
/* flawed - has a probe otel_memory:alloc that does not say how much; waits for the end of its
 * input. */
#include <sys/sdt.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

int main(void)
{
	void *pointer = malloc(100);
	char line;

	ready();
	STAP_PROBE1(otel_memory, alloc, pointer);
	free(pointer);
	return read(STDIN_FILENO, &line, 1) < 0;
}
