// Runs a declarative Jenkinsfile without Jenkins: the blocks that the template uses, with the shell for real.
//
//   groovy jenkins.groovy <Jenkinsfile> [NAME=value …]
//
// The last line says how the build ended. A block or a step that is not here is refused.

class Failed extends RuntimeException {
  Failed(String message) { super(message) }
}

class Build {
  String result = 'SUCCESS'
  Map<String, String> variables = [:]

  void worsen(String to) {
    List<String> order = ['SUCCESS', 'UNSTABLE', 'FAILURE']
    if (order.indexOf(to) > order.indexOf(result)) { result = to }
  }

  Object shell(Map given) {
    def builder = new ProcessBuilder('sh', '-xe', '-c', given.script as String).inheritIO()
    builder.environment().putAll(variables)
    int code = builder.start().waitFor()
    if (given.returnStatus) { return code }
    if (code != 0) { throw new Failed("script returned exit code ${code}") }
  }
}

// What may stand in each block, and what it does.
class Block {
  Build build
  Map<String, Closure> words

  Object invokeMethod(String name, Object arguments) {
    if (!words.containsKey(name)) { throw new MissingMethodException(name, Block, arguments as Object[]) }
    return words[name].call(*(arguments as Object[]))
  }
  Object getProperty(String name) {
    if (name in ['build', 'words']) { return this.@"$name" }
    if (name == 'any') { return 'any' }
    if (name == 'env') { return build.variables }
    throw new MissingPropertyException(name, Block)
  }
  void setProperty(String name, Object value) {
    if (name in ['build', 'words']) { this.@"$name" = value } else { build.variables[name] = value as String }
  }
}

class Runner {
  Build build

  Object within(Closure body, Map<String, Closure> words) {
    Closure inner = body.clone() as Closure
    inner.delegate = new Block(build: build, words: words)
    inner.resolveStrategy = Closure.DELEGATE_FIRST
    return inner.call()
  }

  Map<String, Closure> steps() {
    return [
      sh: { given -> build.shell(given instanceof Map ? given : [script: given]) },
      junit: { Map given -> println "junit ${given.testResults}" },
      archiveArtifacts: { Map given -> println "archive ${given.artifacts}" },
    ]
  }

  void stages(Closure body) {
    within(body, [stage: { String name, Closure inner -> stage(name, inner) }])
  }

  void stage(String name, Closure body) {
    boolean runs = true
    within(body, [
      when: { Closure inner -> runs = within(inner, [expression: { Closure test -> test.call() }]) as boolean },
      steps: { Closure inner -> if (runs) { println "stage ${name}"; within(inner, steps()) } },
      parallel: { Closure inner -> stages(inner) },
    ])
  }

  void pipeline(Closure body) {
    Closure work = {}
    Closure always = {}
    within(body, [
      agent: { label -> },
      options: { Closure inner -> within(inner, [disableConcurrentBuilds: { -> }, timeout: { Map given -> }]) },
      environment: { Closure inner -> Map before = [:] + build.variables; within(inner, [:]); build.variables.putAll(before) },
      stages: { Closure inner -> work = inner },
      post: { Closure inner -> within(inner, [always: { Closure last -> always = last }]) },
    ])
    for (Closure part in [{ stages(work) }, { within(always, steps()) }]) {
      try { part.call() } catch (Failed failed) { println "failed: ${failed.message}"; build.worsen('FAILURE') }
    }
  }
}

Build build = new Build()
args.drop(1).each { String word -> build.variables.put(*word.split('=', 2)) }
Runner runner = new Runner(build: build)
Binding binding = new Binding([
  env: build.variables,
  pipeline: { Closure body -> runner.pipeline(body) },
  sh: { given -> build.shell(given instanceof Map ? given : [script: given]) },
  error: { String message -> throw new Failed(message) },
  unstable: { String message -> println message; build.worsen('UNSTABLE') },
  catchError: { Map given, Closure body ->
    try { body.call() } catch (Failed failed) { println "failed: ${failed.message}"; build.worsen(given.buildResult) }
  },
])
new GroovyShell(binding).evaluate(new File(args[0]))
println "build ${build.result}"
