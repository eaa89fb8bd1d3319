-- A run store of schema version 3: a run that finished after a step was repeated, one whose process was killed, one that waits, and a study.
BEGIN TRANSACTION;
CREATE TABLE controls (
	number INTEGER NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	created_at FLOAT NOT NULL, 
	applied_at FLOAT, 
	payload TEXT, 
	PRIMARY KEY (number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE log (
	number INTEGER NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	time FLOAT NOT NULL, 
	level VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "log" VALUES(1,'20260101-130000-0001',1.7959712363302707672e+09,'info','queued');
INSERT INTO "log" VALUES(2,'20260101-130000-0001',1.79597123633507227899e+09,'error','interrupted at epoch 0: the process that trained it is gone');
INSERT INTO "log" VALUES(3,'20260101-130000-0001',1.79597123636986684804e+09,'info','training starts on a test: 6 steps');
INSERT INTO "log" VALUES(4,'20260101-130000-0001',1.79597123637208724022e+09,'info','epoch 1: measured, score 0.6');
INSERT INTO "log" VALUES(5,'20260101-130000-0001',1.79597123637349224091e+09,'info','epoch 2: measured, score 0.5');
INSERT INTO "log" VALUES(6,'20260101-130000-0001',1.79597123637441706653e+09,'info','epoch 1: measured test');
INSERT INTO "log" VALUES(7,'20260101-130000-0001',1.79597123638230490687e+09,'info','finished after 6 steps (2 epochs) in 0.5 s');
INSERT INTO "log" VALUES(8,'20260102-130000-0002',1.79597123638888669016e+09,'info','queued');
INSERT INTO "log" VALUES(9,'20260102-130000-0002',1.7959712363902738094e+09,'error','interrupted at epoch 0: the process that trained it is gone');
INSERT INTO "log" VALUES(10,'20260102-130000-0002',1.7959712363920347691e+09,'info','training starts on a test: 6 steps');
INSERT INTO "log" VALUES(11,'20260102-130000-0002',1.79597123639345169067e+09,'info','epoch 1: measured, score 0.25');
INSERT INTO "log" VALUES(12,'20260103-130000-0003',1.79597123639842033392e+09,'info','queued');
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','3');
CREATE TABLE run_results (
	run_id VARCHAR(64) NOT NULL, 
	task VARCHAR(255) NOT NULL, 
	metric VARCHAR(255) NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	best FLOAT, 
	last FLOAT, 
	chosen FLOAT, 
	best_epoch FLOAT, 
	chosen_epoch FLOAT, 
	higher_is_better INTEGER, 
	PRIMARY KEY (run_id, task, metric, split), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "run_results" VALUES('20260101-130000-0001','digit','accuracy','test',0.8,0.8,0.8,1.0,1.0,1);
INSERT INTO "run_results" VALUES('20260101-130000-0001','ink','loss','test',0.45,0.45,0.45,1.0,1.0,0);
INSERT INTO "run_results" VALUES('20260101-130000-0001','digit','accuracy','val',0.9,0.7,0.9,1.0,1.0,1);
INSERT INTO "run_results" VALUES('20260101-130000-0001','digit','loss','val',0.5,NULL,0.5,1.0,1.0,0);
INSERT INTO "run_results" VALUES('20260101-130000-0001','ink','loss','val',0.3,0.3,0.4,2.0,1.0,0);
CREATE TABLE runs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	config TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	training_started_at FLOAT, 
	finished_at FLOAT, 
	step INTEGER NOT NULL, 
	steps_total INTEGER, 
	epoch FLOAT NOT NULL, 
	steps_per_second FLOAT, 
	info TEXT NOT NULL, 
	failure TEXT, 
	device VARCHAR(32), 
	owner_host VARCHAR(255), 
	owner_pid INTEGER, 
	owner_started FLOAT, 
	heartbeat_at FLOAT, 
	owner_token VARCHAR(32), 
	progress_at FLOAT, 
	seconds_before FLOAT DEFAULT '0' NOT NULL, 
	resumed_step INTEGER DEFAULT '0' NOT NULL, 
	queue_rank FLOAT, 
	title TEXT, 
	note TEXT DEFAULT '' NOT NULL, 
	tags TEXT DEFAULT '[]' NOT NULL, 
	pinned INTEGER DEFAULT '0' NOT NULL, 
	archived INTEGER DEFAULT '0' NOT NULL, 
	parent_id VARCHAR(64), 
	parent_epoch INTEGER, 
	parent_step INTEGER, 
	request_id VARCHAR(64), 
	UNIQUE (id)
);
INSERT INTO "runs" VALUES(1,'20260101-130000-0001','finished','{"name": "whole", "data": {"name": "digits", "preprocessing": {"denoise": {"name": "none"}, "colour": "as_is", "resize": "none", "height": 64, "width": 64, "standardise": "channels"}, "partition": {"kind": "shared", "among": [], "seed": 0}}, "tasks": {"digit": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}, "ink": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}}, "backbone": {"name": "mlp", "weights": "none", "weights_file": "", "weights_run": "", "freeze": "none", "freeze_stages": 1, "freeze_epochs": null, "lr_factor": 1.0, "layer_decay": 1.0}, "sharing": {"name": "hard"}, "balancing": {"name": "fixed"}, "update": {"name": "joint"}, "optimizer": {"name": "adamw", "lr": 0.002, "weight_decay": 0.0001, "momentum": 0.9}, "schedule": {"name": "cosine", "warmup_fraction": 0.05}, "augmentation": {"shift": 0, "flip": false, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "crop": 0.0, "rotation": 0.0, "scale": 0.0, "cutout": 0.0, "mixup": 0.0}, "select_by": [], "epochs": 2, "batch_size": 64, "gradient_clip": null, "gradient_clip_over": "all", "seed": 0, "device": "cpu", "precision": "auto", "layout": "auto", "on_non_finite": "stop", "keep_checkpoints": 10, "probe_samples": 16, "conflict_every": 50, "affinity_every": 0, "gradient_norms": true, "changes": []}',1767441600.0,1767441600.0,1.7959712363692469597e+09,1.79597123637489962571e+09,6,6,2.0,8.0,'{"device": "cpu", "device_name": "a test", "tasks": {"digit": {"main_metric": "accuracy", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}, "ink": {"main_metric": "loss", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}}}',NULL,'cpu','gone',4194304,0.0,1.79597123637489962571e+09,'32f66c9e1f1ddad9',1.79597123637472701074e+09,0.0,0,1.79597123632813334467e+09,NULL,'','[]',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(2,'20260102-130000-0002','interrupted','{"name": "cut off", "data": {"name": "digits", "preprocessing": {"denoise": {"name": "none"}, "colour": "as_is", "resize": "none", "height": 64, "width": 64, "standardise": "channels"}, "partition": {"kind": "shared", "among": [], "seed": 0}}, "tasks": {"digit": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}, "ink": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}}, "backbone": {"name": "mlp", "weights": "none", "weights_file": "", "weights_run": "", "freeze": "none", "freeze_stages": 1, "freeze_epochs": null, "lr_factor": 1.0, "layer_decay": 1.0}, "sharing": {"name": "hard"}, "balancing": {"name": "pcgrad"}, "update": {"name": "joint"}, "optimizer": {"name": "adamw", "lr": 0.002, "weight_decay": 0.0001, "momentum": 0.9}, "schedule": {"name": "cosine", "warmup_fraction": 0.05}, "augmentation": {"shift": 0, "flip": false, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "crop": 0.0, "rotation": 0.0, "scale": 0.0, "cutout": 0.0, "mixup": 0.0}, "select_by": [], "epochs": 2, "batch_size": 64, "gradient_clip": null, "gradient_clip_over": "all", "seed": 0, "device": "cpu", "precision": "auto", "layout": "auto", "on_non_finite": "stop", "keep_checkpoints": 10, "probe_samples": 16, "conflict_every": 50, "affinity_every": 0, "gradient_norms": true, "changes": []}',1767441601.0,1767441600.0,1.79597123639180302617e+09,1767441700.0,3,6,1.0,NULL,'{"device": "cpu", "device_name": "a test", "tasks": {"digit": {"main_metric": "accuracy", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}, "ink": {"main_metric": "loss", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}}}',NULL,'cpu','gone',4194304,0.0,1.79597123639328050612e+09,'32f66c9e1f1ddad9',1.79597123639328050612e+09,0.0,0,1.79597123638827347756e+09,NULL,'','[]',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3,'20260103-130000-0003','queued','{"name": "waits", "data": {"name": "digits", "preprocessing": {"denoise": {"name": "none"}, "colour": "as_is", "resize": "none", "height": 64, "width": 64, "standardise": "channels"}, "partition": {"kind": "shared", "among": [], "seed": 0}}, "tasks": {"digit": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}, "ink": {"loss_weight": 1.0, "label_fraction": 1.0, "optimizer": null, "geometry": "", "frozen": false, "start_epoch": 1, "stop_epoch": null}}, "backbone": {"name": "mlp", "weights": "none", "weights_file": "", "weights_run": "", "freeze": "none", "freeze_stages": 1, "freeze_epochs": null, "lr_factor": 1.0, "layer_decay": 1.0}, "sharing": {"name": "hard"}, "balancing": {"name": "fixed"}, "update": {"name": "joint"}, "optimizer": {"name": "adamw", "lr": 0.002, "weight_decay": 0.0001, "momentum": 0.9}, "schedule": {"name": "cosine", "warmup_fraction": 0.05}, "augmentation": {"shift": 0, "flip": false, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "crop": 0.0, "rotation": 0.0, "scale": 0.0, "cutout": 0.0, "mixup": 0.0}, "select_by": [], "epochs": 2, "batch_size": 64, "gradient_clip": null, "gradient_clip_over": "all", "seed": 0, "device": "cpu", "precision": "auto", "layout": "auto", "on_non_finite": "stop", "keep_checkpoints": 10, "probe_samples": 16, "conflict_every": 50, "affinity_every": 0, "gradient_norms": true, "changes": []}',1767441602.0,NULL,NULL,NULL,0,NULL,0.0,NULL,'{}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,0,1.79597123639760351179e+09,NULL,'','["race-00aa"]',0,0,NULL,NULL,NULL,NULL);
CREATE TABLE scalars (
	"row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	run_id VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	step INTEGER NOT NULL, 
	epoch FLOAT NOT NULL, 
	value FLOAT, 
	wall_time FLOAT NOT NULL, 
	created_at FLOAT NOT NULL, 
	UNIQUE (run_id, "key", step), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "scalars" VALUES(1,'20260101-130000-0001','train/digit/loss',1,3.33333333333333314829e-01,1.0,2.85296363702452182766e+07,1.7959712363702452182e+09);
INSERT INTO "scalars" VALUES(2,'20260101-130000-0001','train/ink/loss',1,3.33333333333333314829e-01,2.0,2.85296363702452182766e+07,1.7959712363702452182e+09);
INSERT INTO "scalars" VALUES(3,'20260101-130000-0001','loss_weight/digit',1,3.33333333333333314829e-01,1.0,2.85296363702452182766e+07,1.7959712363702452182e+09);
INSERT INTO "scalars" VALUES(4,'20260101-130000-0001','optimizer/lr',1,3.33333333333333314829e-01,0.002,2.85296363702452182766e+07,1.7959712363702452182e+09);
INSERT INTO "scalars" VALUES(5,'20260101-130000-0001','train/digit/loss',2,6.66666666666666629659e-01,0.5,2.85296363702678680406e+07,1.79597123637026786805e+09);
INSERT INTO "scalars" VALUES(6,'20260101-130000-0001','train/ink/loss',2,6.66666666666666629659e-01,NULL,2.85296363702678680406e+07,1.79597123637026786805e+09);
INSERT INTO "scalars" VALUES(7,'20260101-130000-0001','loss_weight/digit',2,6.66666666666666629659e-01,1.0,2.85296363702678680406e+07,1.79597123637026786805e+09);
INSERT INTO "scalars" VALUES(8,'20260101-130000-0001','optimizer/lr',2,6.66666666666666629659e-01,0.002,2.85296363702678680406e+07,1.79597123637026786805e+09);
INSERT INTO "scalars" VALUES(9,'20260101-130000-0001','train/digit/loss',3,1.0,3.33333333333333314829e-01,2.85296363702826499949e+07,1.79597123637028264998e+09);
INSERT INTO "scalars" VALUES(10,'20260101-130000-0001','train/ink/loss',3,1.0,6.0,2.85296363702826499949e+07,1.79597123637028264998e+09);
INSERT INTO "scalars" VALUES(11,'20260101-130000-0001','loss_weight/digit',3,1.0,1.0,2.85296363702826499949e+07,1.79597123637028264998e+09);
INSERT INTO "scalars" VALUES(12,'20260101-130000-0001','optimizer/lr',3,1.0,0.002,2.85296363702826499949e+07,1.79597123637028264998e+09);
INSERT INTO "scalars" VALUES(13,'20260101-130000-0001','val/digit/accuracy',3,1.0,0.9,2.85296363702955245965e+07,1.79597123637029552458e+09);
INSERT INTO "scalars" VALUES(14,'20260101-130000-0001','val/digit/loss',3,1.0,0.5,2.85296363702955245965e+07,1.79597123637029552458e+09);
INSERT INTO "scalars" VALUES(15,'20260101-130000-0001','val/ink/loss',3,1.0,0.4,2.85296363702955245965e+07,1.79597123637029552458e+09);
INSERT INTO "scalars" VALUES(16,'20260101-130000-0001','selection/score',3,1.0,0.6,2.85296363702955245965e+07,1.79597123637029552458e+09);
INSERT INTO "scalars" VALUES(17,'20260101-130000-0001','train/digit/loss',4,1.33333333333333325931e+00,0.25,2.85296363723881244659e+07,1.79597123637238812441e+09);
INSERT INTO "scalars" VALUES(18,'20260101-130000-0001','train/ink/loss',4,1.33333333333333325931e+00,8.0,2.85296363723881244659e+07,1.79597123637238812441e+09);
INSERT INTO "scalars" VALUES(19,'20260101-130000-0001','loss_weight/digit',4,1.33333333333333325931e+00,1.0,2.85296363723881244659e+07,1.79597123637238812441e+09);
INSERT INTO "scalars" VALUES(20,'20260101-130000-0001','optimizer/lr',4,1.33333333333333325931e+00,0.002,2.85296363723881244659e+07,1.79597123637238812441e+09);
INSERT INTO "scalars" VALUES(21,'20260101-130000-0001','conflict/digit/ink',4,1.33333333333333325931e+00,-0.5,2.8529636372402667999e+07,1.79597123637240266803e+09);
INSERT INTO "scalars" VALUES(22,'20260101-130000-0001','train/digit/loss',5,1.66666666666666674068e+00,0.2,2.85296363724160194396e+07,1.79597123637241601942e+09);
INSERT INTO "scalars" VALUES(23,'20260101-130000-0001','train/ink/loss',5,1.66666666666666674068e+00,10.0,2.85296363724160194396e+07,1.79597123637241601942e+09);
INSERT INTO "scalars" VALUES(24,'20260101-130000-0001','loss_weight/digit',5,1.66666666666666674068e+00,1.0,2.85296363724160194396e+07,1.79597123637241601942e+09);
INSERT INTO "scalars" VALUES(25,'20260101-130000-0001','optimizer/lr',5,1.66666666666666674068e+00,0.002,2.85296363724160194396e+07,1.79597123637241601942e+09);
INSERT INTO "scalars" VALUES(27,'20260101-130000-0001','train/ink/loss',6,2.0,12.0,2.85296363724255561834e+07,1.79597123637242555614e+09);
INSERT INTO "scalars" VALUES(29,'20260101-130000-0001','optimizer/lr',6,2.0,0.002,2.85296363724255561834e+07,1.79597123637242555614e+09);
INSERT INTO "scalars" VALUES(30,'20260101-130000-0001','val/digit/accuracy',6,2.0,0.7,2.85296363724358081823e+07,1.79597123637243580819e+09);
INSERT INTO "scalars" VALUES(31,'20260101-130000-0001','val/digit/loss',6,2.0,9e999,2.85296363724358081823e+07,1.79597123637243580819e+09);
INSERT INTO "scalars" VALUES(32,'20260101-130000-0001','val/ink/loss',6,2.0,0.3,2.85296363724358081823e+07,1.79597123637243580819e+09);
INSERT INTO "scalars" VALUES(33,'20260101-130000-0001','selection/score',6,2.0,0.5,2.85296363724358081823e+07,1.79597123637243580819e+09);
INSERT INTO "scalars" VALUES(34,'20260101-130000-0001','train/digit/loss',6,2.0,0.125,2.85296363737783432003e+07,1.79597123637377834321e+09);
INSERT INTO "scalars" VALUES(35,'20260101-130000-0001','loss_weight/digit',6,2.0,1.0,2.85296363737783432003e+07,1.79597123637377834321e+09);
INSERT INTO "scalars" VALUES(36,'20260101-130000-0001','test/digit/accuracy',6,1.0,0.8,2.85296363737945556631e+07,1.79597123637379455568e+09);
INSERT INTO "scalars" VALUES(37,'20260101-130000-0001','test/ink/loss',6,1.0,0.45,2.85296363737945556631e+07,1.79597123637379455568e+09);
INSERT INTO "scalars" VALUES(38,'20260102-130000-0002','train/digit/loss',1,3.33333333333333314829e-01,1.5,2.85296363922784328463e+07,1.79597123639227843287e+09);
INSERT INTO "scalars" VALUES(39,'20260102-130000-0002','optimizer/lr',1,3.33333333333333314829e-01,0.002,2.85296363922784328463e+07,1.79597123639227843287e+09);
INSERT INTO "scalars" VALUES(40,'20260102-130000-0002','val/digit/accuracy',3,1.0,0.25,2.85296363922934532158e+07,1.79597123639229345323e+09);
INSERT INTO "scalars" VALUES(41,'20260102-130000-0002','selection/score',3,1.0,0.25,2.85296363922934532158e+07,1.79597123639229345323e+09);
CREATE TABLE studies (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	title TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	base TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	seeds TEXT NOT NULL, 
	precision VARCHAR(16), 
	layout VARCHAR(16), 
	request_id VARCHAR(64), 
	UNIQUE (id), 
	UNIQUE (request_id)
);
CREATE TABLE study_runs (
	study_id VARCHAR(64) NOT NULL, 
	cell VARCHAR(255) NOT NULL, 
	seed INTEGER NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	is_reused INTEGER DEFAULT '0' NOT NULL, 
	resumptions INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (study_id, cell, seed), 
	FOREIGN KEY(study_id) REFERENCES studies (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE UNIQUE INDEX runs_by_request ON runs (request_id);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX scalars_by_row ON scalars (run_id, "row");
CREATE INDEX ix_log_run_id ON log (run_id);
CREATE INDEX ix_controls_run_id ON controls (run_id);
CREATE INDEX ix_study_runs_run_id ON study_runs (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',3);
INSERT INTO "sqlite_sequence" VALUES('scalars',41);
INSERT INTO "studies" VALUES(1,'study-0001','claim','A study',1767441603.0,'stopped','{}','{}','[0]',NULL,NULL,NULL);
INSERT INTO "study_runs" VALUES('study-0001','joint',0,'20260101-130000-0001',0,0);
COMMIT;
