0#!/usr/bin/lua
repeat local a = function(...) return ... end until a(1)