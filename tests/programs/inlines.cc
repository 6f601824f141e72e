// SPDX-License-Identifier: MIT
// inlines - a program with much that is inlined: templates of the standard library, lambdas,
// anonymous namespaces, virtual calls, exceptions. Only its debug information is looked at.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{
struct Shape {
	virtual ~Shape() = default;
	virtual double area() const = 0;
};

class Square : public Shape
{
	double side;

      public:
	explicit Square(double s) : side(s)
	{
	}
	double area() const override
	{
		return side * side;
	}
};

class Circle : public Shape
{
	double radius;

      public:
	explicit Circle(double r) : radius(r)
	{
	}
	double area() const override
	{
		return 3.14159 * radius * radius;
	}
};

template <typename Map> size_t longest(const Map &words)
{
	size_t most = 0;

	for (const auto &[word, places] : words)
		most = std::max(most, word.size() + places.size());
	return most;
}
} // namespace

namespace text
{
std::map<std::string, std::vector<int>> index(const std::string &all)
{
	std::map<std::string, std::vector<int>> words;
	std::istringstream in(all);
	std::string word;

	for (int place = 0; in >> word; place++)
		words[word].push_back(place);
	return words;
}

static int count(const std::string &all, const std::function<bool(char)> &is)
{
	return (int)std::count_if(all.begin(), all.end(), is);
}
} // namespace text

static double total(const std::vector<std::unique_ptr<Shape>> &shapes)
{
	return std::accumulate(shapes.begin(), shapes.end(), 0.0,
		[](double sum, const std::unique_ptr<Shape> &s) { return sum + s->area(); });
}

static int checked(int n)
{
	if (n > 1000)
		throw std::out_of_range("too many: " + std::to_string(n));
	return n;
}

int main(int argc, char **argv)
{
	std::vector<std::unique_ptr<Shape>> shapes;
	std::unordered_map<int, std::string> names;
	std::string all;

	for (int i = 0; i < argc * 10; i++) {
		if (i % 2)
			shapes.push_back(std::make_unique<Square>(i));
		else
			shapes.push_back(std::make_unique<Circle>(i));
		names[i] = "name" + std::to_string(i);
		all += names[i] + " ";
	}
	auto words = text::index(all);
	std::sort(shapes.begin(), shapes.end(),
		[](const auto &a, const auto &b) { return a->area() < b->area(); });
	try {
		std::printf("%zu %g %d %d\n", longest(words), total(shapes),
			text::count(all, [](char c) { return c == ' '; }), checked(argc));
	} catch (const std::exception &e) {
		std::puts(e.what());
	}
	return 0;
}
