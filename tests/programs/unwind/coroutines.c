// SPDX-License-Identifier: MIT
/*
 * coroutines SECONDS - burns on stacks that are not the thread's: of makecontext(), of a switch by
 * hand whose first frame has no caller, and of a call (on_stack, in switch.S) that comes back and
 * says so in its CFI.
 */
#include <stdlib.h>
#include <ucontext.h>

#include "spin.h"

#define STACK (1 << 16)

void on_stack(void (*function)(void), void *top);
void switch_to(void **save_sp, void *sp);

static char stacks[3][STACK] __attribute__((aligned(64)));
static ucontext_t thread_context, context;
static void *thread_sp, *coroutine_sp;

FRAME void context_burn(void)
{
	spin(2 * MS);
}

FRAME void context_body(void)
{
	for (;;) {
		context_burn();
		swapcontext(&context, &thread_context);
	}
}

FRAME void coroutine_burn(void)
{
	spin(2 * MS);
}

FRAME void coroutine_body(void)
{
	for (;;) {
		coroutine_burn();
		switch_to(&coroutine_sp, thread_sp);
	}
}

FRAME void visitor_burn(void)
{
	spin(2 * MS);
}

FRAME void visitor(void)
{
	visitor_burn();
	STAY();
}

FRAME void visit(void *top)
{
	on_stack(visitor, top);
	STAY();
}

int main(int argc, char **argv)
{
	/* What switch_to pops: six registers, and the way into coroutine_body, without a caller. */
	void **sp = (void **)(void *)(stacks[1] + STACK - 64);

	*--sp = NULL;
	*--sp = (void *)coroutine_body;
	coroutine_sp = sp - 6;
	if (getcontext(&context))
		return 1;
	context.uc_stack.ss_sp = stacks[0];
	context.uc_stack.ss_size = STACK;
	makecontext(&context, context_body, 0);
	begin(argc, argv);
	for (;;) {
		swapcontext(&thread_context, &context);
		switch_to(&thread_sp, coroutine_sp);
		visit(stacks[2] + STACK);
	}
}
