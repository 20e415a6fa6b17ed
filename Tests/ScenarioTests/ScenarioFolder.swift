import Foundation

/// Lists files of the project.
enum ScenarioFolder {
  /// The YAML files of a folder, sorted.
  static func yamlFiles(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted().map { folder + "/" + $0 }
  }
}
