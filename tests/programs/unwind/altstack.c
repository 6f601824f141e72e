// SPDX-License-Identifier: MIT
/*
 * altstack SECONDS - leaf() never returns; a timer's signal interrupts it wherever it is, and the
 * handler burns on a stack of its own.
 */
#include <signal.h>
#include <time.h>

#include "spin.h"

/* Works below the stack pointer, in the red zone. */
FRAME void leaf(void)
{
	volatile uint64_t in_red_zone[4] = {0};

	for (;;)
		in_red_zone[1] = in_red_zone[0] + 1;
}

FRAME void caller_of_leaf(void)
{
	leaf();
	STAY();
}

FRAME void handler_burn(void)
{
	spin(3 * MS);
}

FRAME void on_signal(int signal)
{
	OPAQUE(signal);
	handler_burn();
	STAY();
}

int main(int argc, char **argv)
{
	static char stack[1 << 16];
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	timer_t timer;
	struct itimerspec every = {{0, 9000000}, {0, 9000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

	/* SIGALRM ends the program. */
	if (sigaltstack(&other, NULL) || sigaction(SIGUSR1, &action, NULL) ||
		timer_create(CLOCK_MONOTONIC, &event, &timer) ||
		timer_settime(timer, 0, &every, NULL))
		return 1;
	begin(argc, argv);
	caller_of_leaf();
	return 0;
}
