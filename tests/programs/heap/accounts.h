/* SPDX-License-Identifier: MIT */
/*
 * accounts.h - what the programs share in which functions keep an account of what they allocate,
 * and print it as lines
 *
 *   NAME ALLOCATED_OBJECTS ALLOCATED_BYTES OBJECTS_IN_USE BYTES_IN_USE
 */
#ifndef PROGRAMS_HEAP_ACCOUNTS_H
#define PROGRAMS_HEAP_ACCOUNTS_H

#include <unistd.h>

#include "../truth.h"
#include "truth.h"

struct account {
	const char *name;
	uint64_t objects, bytes, in_use, bytes_in_use;
	struct account *next;
};

static struct account *accounts;

/* A function with an account of its own, which begins at nothing. */
#define ACCOUNT(function)                                                            \
	static void function(struct account *account);                               \
	static struct account account_of_##function = {#function, 0, 0, 0, 0, NULL}; \
	__attribute__((noipa)) static void function(struct account *account)

/* From now on it is among those that are printed. */
#define OPEN(function)                                 \
	do {                                           \
		account_of_##function.next = accounts; \
		accounts = &account_of_##function;     \
	} while (0)

#define RUN(function)                             \
	do {                                      \
		OPEN(function);                   \
		function(&account_of_##function); \
	} while (0)

static inline void add(struct account *account, const void *pointer, size_t size)
{
	MUST(pointer);
	account->objects++;
	account->bytes += size;
	account->in_use++;
	account->bytes_in_use += size;
}

static inline void gone(struct account *account, size_t size)
{
	account->in_use--;
	account->bytes_in_use -= size;
}

static inline void print_accounts(void)
{
	for (const struct account *a = accounts; a; a = a->next)
		printf("%s %llu %llu %llu %llu\n", a->name, (unsigned long long)a->objects,
			(unsigned long long)a->bytes, (unsigned long long)a->in_use,
			(unsigned long long)a->bytes_in_use);
}

/* False: there is nobody who says so. */
static inline int wait_for_a_line(void)
{
	char line;

	ready();
	return read(STDIN_FILENO, &line, 1) >= 0;
}

#endif
