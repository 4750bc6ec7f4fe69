// Marks the symbols that liblatgrad_plugin.so exports to C++; all others are hidden.

#pragma once

#define LATGRAD_PLUGIN_EXPORT __attribute__((visibility("default")))
