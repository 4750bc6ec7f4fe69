// Marks what liblatgrad_plugin.so offers to C++; everything else in it is hidden.

#pragma once

#define LATGRAD_PLUGIN_EXPORT __attribute__((visibility("default")))
