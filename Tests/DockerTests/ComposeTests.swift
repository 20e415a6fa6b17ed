import HopyardDocker
import HopyardUserland
import HopyardWire
import Testing

/// Compose files: what is read from them, and what is refused.
@Suite struct ComposeTests {
  private func load(
    _ text: String,
    files: [String: String] = [:],
    environment: [String: String] = [:],
    profiles: [String] = []
  ) throws -> ComposeProject {
    var all = files
    all["shop/compose.yaml"] = text
    var loader = ComposeLoader { all[$0] }
    loader.environment = environment
    loader.profiles = profiles
    return try loader.load(["shop/compose.yaml"])
  }

  @Test func aProjectIsNamedAfterItsDirectory() throws {
    let project = try load("services: {web: {image: nginx}}\n")
    #expect(project.name == "shop")
    #expect(project.networks.map(\.specification.name) == ["shop_default"])
    #expect(try load("name: my-shop\nservices: {web: {image: nginx}}\n").name == "my-shop")
  }

  @Test(arguments: [
    ("${A}", "x"), ("$A", "x"), ("${B:-d}", "d"), ("${E:-d}", "d"), ("${E-d}", ""),
    ("${B:-${A}}", "x"), ("$$A", "$A"), ("${A:+y}", "y"), ("${B:+y}", ""), ("a${A}b", "axb"),
  ])
  func variables(_ text: String, _ value: String) throws {
    let project = try load(
      "services: {web: {image: \"i\(text)\"}}\n",
      environment: ["A": "x", "E": ""]
    )
    #expect(project.services[0].container.image == "i" + value)
  }

  @Test func dotEnvYieldsToTheEnvironment() throws {
    let files = ["shop/.env": "# tags\nTAG=1.0\nexport NAME='a b'\nBOTH=\"${TAG}-x\"\n"]
    let text = "services: {web: {image: \"i:${TAG}\", hostname: \"${BOTH}\"}}\n"
    let plain = try load(text, files: files)
    #expect(plain.services[0].container.image == "i:1.0")
    #expect(plain.services[0].container.hostname == "1.0-x")
    let over = try load(text, files: files, environment: ["TAG": "2"])
    #expect(over.services[0].container.image == "i:2")
  }

  @Test(arguments: [
    ("80", [(80, 0, 0, "")]), ("8080:80", [(80, 8080, 8080, "")]),
    ("127.0.0.1:8080:80", [(80, 8080, 8080, "127.0.0.1")]),
    ("127.0.0.1::80", [(80, 0, 0, "127.0.0.1")]), ("8000-8010:80", [(80, 8000, 8010, "")]),
    ("8000-8001:80-81", [(80, 8000, 8000, ""), (81, 8001, 8001, "")]),
    ("[::1]:8080:80", [(80, 8080, 8080, "::1")]),
  ])
  func shortPorts(_ text: String, _ wanted: [(Int, Int, Int, String)]) throws {
    let project = try load("services: {web: {image: nginx, ports: [\"\(text)\"]}}\n")
    let given = project.services[0].container.ports.map {
      "\($0.port) \($0.hostPort) \($0.hostPortEnd) \($0.hostAddress.map { "\($0)" } ?? "")"
    }
    #expect(given == wanted.map { "\($0.0) \($0.1) \($0.2) \($0.3)" })
  }

  @Test func longPortsAndNetworks() throws {
    let text = """
      services:
        db:
          image: postgres
          ports:
            - target: 5432
              published: "15432"
              host_ip: 127.0.0.1
              protocol: tcp
          networks:
            back:
              aliases: [database]
              ipv4_address: 10.5.0.9
      networks:
        back:
          internal: true
          ipam:
            config:
              - subnet: 10.5.0.0/24
                gateway: 10.5.0.254
      """
    let project = try load(text)
    let service = project.services[0]
    #expect(service.networks[0].aliases == ["database"])
    #expect(service.networks[0].address == IPv4Address(10, 5, 0, 9))
    #expect(service.container.ports[0].hostPort == 15432)
    let network = try #require(project.network("back"))
    #expect(network.specification.isInternal)
    #expect(network.specification.gateways == [.v4(IPv4Address(10, 5, 0, 254))])
  }

  @Test func profilesChooseServices() throws {
    let text = "services: {a: {image: x}, b: {image: y, profiles: [seed]}}\n"
    #expect(try load(text).services.map(\.name) == ["a"])
    #expect(try load(text, profiles: ["seed"]).services.map(\.name) == ["a", "b"])
  }

  @Test func extendsAndIncludeBringOtherFiles() throws {
    let files = [
      "shop/base.yaml":
        "services: {base: {image: nginx, environment: {A: '1'}, ports: ['80:80']}}\n",
      "shop/more.yaml": "services: {extra: {image: redis}}\n",
    ]
    let text = """
      include: [more.yaml]
      services:
        web:
          extends: {file: base.yaml, service: base}
          environment: [B=2]
      """
    let project = try load(text, files: files)
    #expect(Set(project.services.map(\.name)) == ["web", "extra"])
    let web = try #require(project.service("web"))
    #expect(web.container.environment.map(\.name) == ["A", "B"])
    #expect(web.container.ports.count == 1)
  }

  @Test func anIncludedProjectHasItsOwnFolderAndVariables() throws {
    let files = [
      "shop/.env": "TAG=1\nOUTER=o\n",
      "shop/part/compose.yaml": """
      services:
        part: {image: "part:${TAG}-${OWN}-${OUTER}", env_file: part.env}
        base: {extends: {file: deep/base.yaml, service: base}}
      """,
      "shop/part/.env": "TAG=2\nOWN=3\n",
      "shop/part/part.env": "A=a\n",
      "shop/part/deep/base.yaml": "services: {base: {image: b, env_file: [base.env]}}\n",
      "shop/part/deep/base.env": "B=b\n",
      "shop/other/compose.yaml": "services: {other: {image: 'o:${OWN:-none}', env_file: e.env}}\n",
      "shop/e.env": "E=e\n",
    ]
    let text = """
      include:
        - part/compose.yaml
        - {path: other/compose.yaml, project_directory: ., env_file: /dev/null}
      services:
        web: {image: "web:$TAG", depends_on: [part, other]}
      """
    let project = try load(text, files: files)
    // What is set outside comes before what an included project's own file says.
    #expect(project.service("part")?.container.image == "part:1-3-o")
    #expect(project.service("other")?.container.image == "o:none")
    #expect(project.service("web")?.container.image == "web:1")
    #expect(project.service("part")?.container.environment.map(\.name) == ["A"])
    #expect(project.service("base")?.container.environment.map(\.name) == ["B"])
    #expect(project.service("other")?.container.environment.map(\.name) == ["E"])
  }

  @Test func keysWithoutMeaningOnTheWireAreAccepted() throws {
    let text = """
      name: shop
      x-common: &common {restart: always, logging: {driver: none}}
      models: {smollm: {model: ai/smollm2, context_size: 1024}}
      configs: {app: {content: "a=1"}}
      secrets: {key: {environment: KEY}}
      volumes: {data: {}, other: {external: true, name: real}}
      services:
        web:
          <<: *common
          build: {context: ., dockerfile_inline: "FROM nginx", ssh: [default], x-bake: {}}
          develop: {watch: [{path: ., action: sync, target: /app}]}
          gpus: all
          configs: [app, {source: app, target: /app.conf}]
          secrets: [key]
          models: [smollm]
          volumes: [data:/data, ./here:/there, {type: volume, source: other, target: /o}, /nameless]
          deploy:
            resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {devices: []}}
            update_config: {order: start-first}
            labels: {a: b}
        helper: {provider: {type: awesomecloud, options: {type: mysql}}}
        asleep: {image: "x:${NOT_SET}", profiles: [never], env_file: missing.env, depends_on: [gone]}
      """
    let project = try load(text)
    #expect(project.services.map(\.name) == ["web", "helper"])
    #expect(project.inactiveServices.map(\.name) == ["asleep"])
  }

  @Test(arguments: [
    ("${A:-b}", "b"), ("${A-${B:-c}}", "c"), ("${S:+set}", "set"), ("${E:+set}", ""),
    ("${E+set}", "set"), ("${A+set}", ""), ("${E:-$S}", "s"), ("${E-x}", ""), ("$$A", "$A"),
    ("${S:-$2a$14$x}", "s"), ("${S:?gone}", "s"), ("a${A:-{}}b", "a{}b"), ("${A:-x-y:z}", "x-y:z"),
  ])
  func defaultsCountOnlyWhereTheyAreUsed(_ text: String, _ expected: String) throws {
    let project = try load(
      "services: {web: {image: x, container_name: 'n', labels: {l: '\(text)'}}}",
      files: ["shop/.env": "S=s\nE=\n"]
    )
    #expect(project.services.first?.container.labels.first?.value == expected)
  }

  @Test(arguments: [
    ("services: {web: {image: x, prots: []}}", "1:28: unknown key `prots' in service `web'"),
    ("services: {web: {}}", "1:17: service \"web\" has neither an image nor a build context"),
    ("services: {web: {image: x, ports: ['99999']}}", "1:36: invalid port `99999' in `99999'"),
    ("services: {a: {image: x, depends_on: [b]}}", "1:12: service \"a\" depends on undefined"),
    (
      "services: {a: {image: x, networks: [n]}}",
      "1:12: service \"a\" refers to undefined network n"
    ),
    (
      "services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}",
      "1:12: dependency cycle detected: a -> b -> a"
    ), ("services: {a: {image: 'x${'}}", "1:23: invalid interpolation format in `x${'"),
    ("services: {a: {image: '${X:?no x}'}}", "1:23: required variable X is missing a value: no x"),
    (
      "services: {a: {image: x, network_mode: host, networks: [n]}}",
      "1:56: service a declares mutually exclusive"
    ), ("services: {a: {image: '${X:-$2}'}}", "1:23: invalid interpolation format in `$2'"),
    (
      "services: {a: {image: x, volumes: ['v:/v']}}",
      "1:36: service \"a\" refers to undefined volume v"
    ),
    ("services: {a: {image: x, secrets: [s]}}", "1:36: service \"a\" refers to undefined secret s"),
    (
      "services: {a: {image: x, links: [b]}}",
      "1:12: service \"a\" depends on undefined service \"b\""
    ),
    (
      "services: {a: {image: x, depends_on: [b]}, b: {image: y, profiles: [p]}}",
      "1:12: service \"a\" depends on \"b\", which is in a profile that is not active"
    ),
    (
      "services: {a: {image: x, healthcheck: {test: [curl, localhost]}}}",
      "1:46: healthcheck.test must start either by"
    ), ("networks: {n: {driver: ipvlan}}\nservices: {a: {image: x}}", "1:24: the driver ipvlan"),
  ])
  func mistakesAreToldWithTheirPlace(_ text: String, _ message: String) {
    #expect { try load(text) } throws: {
      "\($0)".hasPrefix("shop/compose.yaml:" + message)
    }
  }
}
