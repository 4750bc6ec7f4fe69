# Finds LibTorch and checks that what was found is one installation.
#
# Which torch: the one of the interpreter LATGRAD_PYTHON where that is given; else the one that
# CMAKE_PREFIX_PATH, Torch_ROOT or Torch_DIR names; else the one of `python3`; else the system's.
#
# Offers the target latgrad::torch, and the variables LATGRAD_TORCH_VERSION (of the headers),
# LATGRAD_TORCH_LIBRARY and, where there is one, LATGRAD_PYTHON.
#
# Include it after every other find_package: the wheel's folder bundles headers of protobuf, fmt and
# pybind11 that must not be found first, so that folder is on the prefix path only in here.

set(LATGRAD_PYTHON "" CACHE FILEPATH "Python interpreter whose torch is built against, and that runs the Python tests")

# _latgrad_ask_python(<interpreter> <version-variable> <folder-variable>): both empty where it has no torch.
function(_latgrad_ask_python interpreter version folder)
  execute_process(
    COMMAND ${interpreter} -c "import os, torch; print(torch.__version__); print(os.path.dirname(torch.__file__))"
    OUTPUT_VARIABLE answer ERROR_QUIET RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(${version} "" PARENT_SCOPE)
  set(${folder} "" PARENT_SCOPE)
  if(status EQUAL 0 AND answer MATCHES "^([^\n]+)\n([^\n]+)$")
    set(${version} ${CMAKE_MATCH_1} PARENT_SCOPE)
    set(${folder} ${CMAKE_MATCH_2} PARENT_SCOPE)
  endif()
endfunction()

# Sets what find_package(Torch) sets, for a wheel built with CUDA. Its TorchConfig demands the CUDA toolkit, which latgrad,
# linking no CUDA, does not need. libtorch brings libtorch_cuda into C++ programs at run time.
macro(_latgrad_take_cuda_wheel folder)
  set(Torch_DIR ${folder}/share/cmake/Torch)
  set(TORCH_LIBRARY ${folder}/lib/libtorch.so)
  file(STRINGS ${Torch_DIR}/TorchConfig.cmake TORCH_CXX_FLAGS REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  set(TORCH_LIBRARIES _latgrad_torch_of_wheel)
  if(NOT TARGET _latgrad_torch_of_wheel)
    add_library(_latgrad_torch_of_wheel INTERFACE IMPORTED)
    target_include_directories(_latgrad_torch_of_wheel INTERFACE
      ${folder}/include ${folder}/include/torch/csrc/api/include)
    target_link_libraries(_latgrad_torch_of_wheel INTERFACE
      ${TORCH_LIBRARY} ${folder}/lib/libtorch_cpu.so ${folder}/lib/libc10.so)
  endif()
endmacro()

macro(_latgrad_find_torch)
  set(_latgrad_user_prefix_path ${CMAKE_PREFIX_PATH})
  # Wherever a user may have named a torch; `:` separates folders in the environment.
  string(REPLACE ":" ";" _latgrad_environment "$ENV{CMAKE_PREFIX_PATH}")
  set(_latgrad_named_prefixes
    ${Torch_ROOT} $ENV{Torch_ROOT} ${_latgrad_user_prefix_path} ${_latgrad_environment})
  foreach(_latgrad_config IN ITEMS ${Torch_DIR} $ENV{Torch_DIR})
    cmake_path(GET _latgrad_config PARENT_PATH _latgrad_prefix)
    list(APPEND _latgrad_named_prefixes ${_latgrad_prefix})
  endforeach()
  set(_latgrad_torch_is_named FALSE)
  foreach(_latgrad_prefix IN LISTS _latgrad_named_prefixes)
    file(GLOB _latgrad_configs ${_latgrad_prefix}/Torch/TorchConfig.cmake
      ${_latgrad_prefix}/share/cmake/Torch/TorchConfig.cmake ${_latgrad_prefix}/lib*/cmake/Torch/TorchConfig.cmake
      ${_latgrad_prefix}/lib/*/cmake/Torch/TorchConfig.cmake)
    if(_latgrad_configs)
      set(_latgrad_torch_is_named TRUE)
    endif()
  endforeach()

  set(_latgrad_python_version "")
  if(LATGRAD_PYTHON AND NOT EXISTS ${LATGRAD_PYTHON})
    cmake_path(GET LATGRAD_PYTHON FILENAME _latgrad_name)  # -DLATGRAD_PYTHON=python3 arrives as a path of this folder
    find_program(_latgrad_python_program ${_latgrad_name} NO_CACHE)
    if(NOT _latgrad_python_program)
      message(FATAL_ERROR "LATGRAD_PYTHON is ${LATGRAD_PYTHON}, which does not exist.")
    endif()
    set(LATGRAD_PYTHON ${_latgrad_python_program} CACHE FILEPATH "" FORCE)
  endif()
  if(LATGRAD_PYTHON)
    _latgrad_ask_python(${LATGRAD_PYTHON} _latgrad_python_version _latgrad_python_folder)
    if(NOT _latgrad_python_version AND SKBUILD)
      message(FATAL_ERROR "pip builds latgrad against the torch of its own interpreter, but ${LATGRAD_PYTHON} cannot "
        "import torch here. Install torch first, then let the build see it: pip install --no-build-isolation .")
    endif()
    if(NOT _latgrad_python_version)
      message(FATAL_ERROR "LATGRAD_PYTHON is ${LATGRAD_PYTHON}, which cannot import torch. "
        "Name an interpreter that can, or install torch for it.")
    endif()
  elseif(NOT _latgrad_torch_is_named)
    find_program(_latgrad_python3 python3)
    if(_latgrad_python3)
      _latgrad_ask_python(${_latgrad_python3} _latgrad_python_version _latgrad_python_folder)
      if(_latgrad_python_version)
        set(LATGRAD_PYTHON ${_latgrad_python3} CACHE FILEPATH "" FORCE)
      endif()
    endif()
  endif()
  # The wheel's folder itself goes to the front, not its share/cmake, which torch.utils.cmake_prefix_path
  # names: TorchConfig looks for libtorch.so on the prefix path, and with share/cmake alone it takes the
  # system's libtorch with the wheel's headers.
  set(_latgrad_wheel "")
  if(_latgrad_python_version AND EXISTS ${_latgrad_python_folder}/share/cmake/Torch/TorchConfig.cmake)
    set(_latgrad_wheel ${_latgrad_python_folder})
  else()
    foreach(_latgrad_prefix IN LISTS _latgrad_named_prefixes)
      if(EXISTS ${_latgrad_prefix}/../../lib/libtorch.so AND EXISTS ${_latgrad_prefix}/Torch/TorchConfig.cmake)
        cmake_path(SET _latgrad_wheel NORMALIZE ${_latgrad_prefix}/../..)
      elseif(EXISTS ${_latgrad_prefix}/lib/libtorch.so AND EXISTS ${_latgrad_prefix}/share/cmake/Torch/TorchConfig.cmake)
        cmake_path(SET _latgrad_wheel NORMALIZE ${_latgrad_prefix})
      endif()
    endforeach()
  endif()
  if(_latgrad_wheel AND EXISTS ${_latgrad_wheel}/lib/libtorch_cuda.so)
    _latgrad_take_cuda_wheel(${_latgrad_wheel})
  else()
    if(_latgrad_wheel)
      list(PREPEND CMAKE_PREFIX_PATH ${_latgrad_wheel})
    endif()
    find_package(Torch REQUIRED)
    set(CMAKE_PREFIX_PATH ${_latgrad_user_prefix_path})
  endif()
endmacro()

_latgrad_find_torch()

# TorchConfig finds its headers beside itself and its libraries wherever the prefix path leads.
# Both must come from one installation.
cmake_path(GET Torch_DIR PARENT_PATH _latgrad_torch_root)
while(NOT EXISTS ${_latgrad_torch_root}/include/torch/csrc/api/include/torch/version.h)
  cmake_path(GET _latgrad_torch_root PARENT_PATH _latgrad_parent)
  if(_latgrad_parent STREQUAL _latgrad_torch_root)
    message(FATAL_ERROR "Torch was found at ${Torch_DIR}, but no include folder above it holds torch/version.h.")
  endif()
  set(_latgrad_torch_root ${_latgrad_parent})
endwhile()
set(_latgrad_version_header ${_latgrad_torch_root}/include/torch/csrc/api/include/torch/version.h)
if(EXISTS ${_latgrad_torch_root}/include/torch/headeronly/version.h)  # where 2.x moved the numbers
  set(_latgrad_version_header ${_latgrad_torch_root}/include/torch/headeronly/version.h)
endif()
file(STRINGS ${_latgrad_version_header} _latgrad_version_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3"
  LATGRAD_TORCH_VERSION "${_latgrad_version_lines}")
set(LATGRAD_TORCH_LIBRARY ${TORCH_LIBRARY})

string(CONCAT _latgrad_mixture_advice
  "Put the folder of the torch package you mean (the one that holds share/cmake/Torch) at the front of "
  "CMAKE_PREFIX_PATH, or give -DLATGRAD_PYTHON=<its interpreter>, and configure into a fresh folder.")
cmake_path(IS_PREFIX _latgrad_torch_root ${TORCH_LIBRARY} NORMALIZE _latgrad_one_installation)
if(NOT _latgrad_one_installation)
  message(FATAL_ERROR "Two torches are mixed: the headers are those of ${_latgrad_torch_root} "
    "(${LATGRAD_TORCH_VERSION}), the library is ${TORCH_LIBRARY}. ${_latgrad_mixture_advice}")
endif()
if(_latgrad_python_version)
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" _latgrad_python_series ${_latgrad_python_version})
  if(NOT LATGRAD_TORCH_VERSION MATCHES "^${_latgrad_python_series}\\.")
    message(FATAL_ERROR "Two torches are mixed: ${LATGRAD_PYTHON} imports torch ${_latgrad_python_version}, "
      "but CMake found ${LATGRAD_TORCH_VERSION} in ${_latgrad_torch_root}. ${_latgrad_mixture_advice}")
  endif()
endif()
if(LATGRAD_TORCH_VERSION VERSION_LESS 1.13)
  message(FATAL_ERROR "latgrad needs torch 1.13 or newer, found ${LATGRAD_TORCH_VERSION} in ${_latgrad_torch_root}.")
endif()
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR "The torch in ${_latgrad_torch_root} was built with the old C++ ABI of libstdc++, the libraries that "
    "latgrad uses with the new one: they cannot be linked together. Use a wheel of torch 2.6 or newer, the system's "
    "torch, or configure with -DLATGRAD_BUILD_PLUGIN=OFF.")
endif()

if(LATGRAD_PYTHON)
  message(STATUS "Torch ${LATGRAD_TORCH_VERSION} in ${_latgrad_torch_root}, Python ${LATGRAD_PYTHON}")
else()
  message(STATUS "Torch ${LATGRAD_TORCH_VERSION} in ${_latgrad_torch_root}, no Python")
endif()

if(NOT TARGET latgrad::torch)
  add_library(latgrad::torch INTERFACE IMPORTED)
  target_link_libraries(latgrad::torch INTERFACE ${TORCH_LIBRARIES})
endif()
