// Package lambda hosts a function on AWS Lambda: it turns what Lambda brings (Function URLs, API Gateway's
// HTTP APIs, SQS, schedules) into the calls that the function knows, and its answers into what Lambda takes.
package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// runtimeAPI is the setting with the address of the runtime API, which Lambda sets.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// refusalTime bounds the call that tells Lambda that the function cannot start.
const refusalTime = 5 * time.Second

// Hosts reports whether this process runs on Lambda.
func Hosts(env *fn.Env) bool { return env.Setting(runtimeAPI, "") != "" }

// Main serves f until ctx ends: with SIGTERM, which Lambda sends some 500 ms before it kills the process. A
// function that cannot start is reported to Lambda. f starts once and serves call after call.
func Main(ctx context.Context, f fn.Function, env *fn.Env) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	h, err := newHandler(life, f, env)
	if err != nil {
		return Refuse(ctx, env, err)
	}
	// The loop ends with the process only. Lambda sends SIGTERM to those that ask for it.
	go lambda.StartWithOptions(h.invoke, lambda.WithContext(life), lambda.WithEnableSIGTERM())
	<-ctx.Done()
	end()
	return env.Close()
}

// Refuse tells Lambda why the function cannot start, and returns that error.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func Refuse(ctx context.Context, env *fn.Env, err error) error {
	kind := "Hearth." + string(fault.KindOf(err))
	body, failed := json.Marshal(map[string]any{"errorMessage": fault.Text(err), "errorType": kind, "stackTrace": []string{}})
	if failed != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	url := "http://" + env.Setting(runtimeAPI, "") + "/2018-06-01/runtime/init/error"
	req, failed := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if failed != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	client := http.Client{Transport: &http.Transport{}} // never through a proxy
	resp, failed := client.Do(req)
	if failed != nil {
		env.Log.Warn("Lambda does not hear why the function cannot start", "err", failed)
		return err
	}
	resp.Body.Close()
	return err
}
