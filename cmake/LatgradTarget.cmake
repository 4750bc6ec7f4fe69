# latgrad_compile(<target>): what every target of this project compiles with.
function(latgrad_compile target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
endfunction()

# latgrad_add_library(<layer>): the static library latgrad_<layer> with its alias latgrad::<layer>.
# Static and with hidden symbols, so that the plugin carries its own copy into a foreign process.
function(latgrad_add_library layer)
  add_library(latgrad_${layer} STATIC ${ARGN})
  add_library(latgrad::${layer} ALIAS latgrad_${layer})
  set_target_properties(latgrad_${layer} PROPERTIES EXPORT_NAME ${layer})
  latgrad_compile(latgrad_${layer})
  target_include_directories(latgrad_${layer} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

# latgrad_generate_proto(<target> <file.proto>): C++ from a .proto whose path in messages and
# includes starts at <dir>/proto, compiled into the target and never installed.
function(latgrad_generate_proto target proto)
  cmake_path(GET proto PARENT_PATH folder)
  cmake_path(GET proto STEM stem)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  add_custom_command(
    OUTPUT ${out}/${folder}/${stem}.pb.cc ${out}/${folder}/${stem}.pb.h
    COMMAND protobuf::protoc --cpp_out=${out} -I ${CMAKE_CURRENT_SOURCE_DIR}/proto ${proto}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/proto/${proto}
    COMMENT "protoc ${proto}")
  target_sources(${target} PRIVATE ${out}/${folder}/${stem}.pb.cc ${out}/${folder}/${stem}.pb.h)
  # Visible, unlike all else: a program that links the core beside the plugin's own copy of it must share one
  # descriptor table with the plugin, or libprotobuf aborts at load for a file that is registered twice.
  set_source_files_properties(${out}/${folder}/${stem}.pb.cc PROPERTIES
    COMPILE_OPTIONS "-Wno-pedantic;-fvisibility=default")
  target_include_directories(${target} PRIVATE ${out})
  target_link_libraries(${target} PRIVATE protobuf::libprotobuf)
endfunction()
