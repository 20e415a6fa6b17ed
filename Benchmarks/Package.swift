// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

// A package of its own, so that users of Hopyard never resolve or build what only measures it.
let package = Package(
  name: "HopyardBenchmarks",
  dependencies: [.package(name: "Hopyard", path: "..")],
  targets: [
    .executableTarget(
      name: "HopyardBenchmark",
      dependencies: [.product(name: "Hopyard", package: "Hopyard")],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "HopyardFuzz",
      dependencies: [.product(name: "Hopyard", package: "Hopyard")],
      swiftSettings: settings
    ),
  ]
)
