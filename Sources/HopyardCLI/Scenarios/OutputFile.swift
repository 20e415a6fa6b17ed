import ArgumentParser

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes small files.
enum OutputFile {
  /// Writes text to a file, or ends with 2.
  static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else { try fail(path) }
    let bytes = Array(text.utf8)
    let count = fwrite(bytes, 1, bytes.count, file)
    let isClosed = fclose(file) == 0
    if count != bytes.count || !isClosed { try fail(path) }
  }

  private static func fail(_ path: String) throws -> Never {
    Standard.error("\(path): \(String(cString: strerror(errno)))\n")
    throw ExitCode(2)
  }
}

/// Whether GitHub Actions runs the command.
enum GitHub {
  static var isRunning: Bool {
    getenv("GITHUB_ACTIONS").map { String(cString: $0) == "true" } ?? false
  }
}

/// Lists the files of folders.
enum Folder {
  /// Whether a path names a folder.
  static func isFolder(_ path: String) -> Bool {
    guard let directory = opendir(path) else { return false }
    closedir(directory)
    return true
  }

  /// The paths of a folder's files, sorted, deep; a file is itself.
  static func files(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [path] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted().flatMap { files(path + "/" + $0) }
  }
}
